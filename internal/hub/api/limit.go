package api

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// maxClients bounds how many clients are remembered, forgotten how long after their last request.
	maxClients = 16_384
	forgotten  = 10 * time.Minute
	// burst is how many seconds' requests may come at once.
	burst = 10
	// wrongCredentials is what a request costs, in requests, that says wrongly who it is.
	wrongCredentials = 10
)

// limiter bounds the requests of a client, which is an address: whoever says wrongly who they are should not get a limit of their own for it.
type limiter struct {
	rate    rate.Limit
	burst   int
	now     func() time.Time
	proxies []netip.Prefix
	clients *cache.LRUExpireCache
}

type clock func() time.Time

// Now is the time.
func (c clock) Now() time.Time { return c() }

func newLimiter(perSecond float64, now func() time.Time, proxies []netip.Prefix) *limiter {
	l := &limiter{rate: rate.Limit(perSecond), burst: max(wrongCredentials, int(perSecond*burst)), now: now, proxies: proxies}
	if perSecond < 0 {
		l.rate = rate.Inf
	}
	l.clients = cache.NewLRUExpireCacheWithClock(maxClients, clock(now))
	return l
}

func (l *limiter) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The kubelet and Prometheus are not to be turned away.
		if r.URL.Path == healthPath || r.URL.Path == readyPath || r.URL.Path == metricsPath {
			next.ServeHTTP(w, r)
			return
		}
		now := l.now()
		bucket := l.bucket(r)
		if !bucket.AllowN(now, 1) {
			wait := time.Duration((1 - bucket.TokensAt(now)) / float64(l.rate) * float64(time.Second))
			w.Header().Set("Retry-After", strconv.Itoa(1+int(wait/time.Second)))
			writeProblem(w, http.StatusTooManyRequests, "there were too many requests from "+l.client(r)+": wait as long as Retry-After says")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// punish makes guessing slow.
func (l *limiter) punish(r *http.Request) {
	if r.Header.Get("Authorization") != "" || r.Method == http.MethodPost && r.URL.Path == sessionPath {
		l.bucket(r).ReserveN(l.now(), wrongCredentials-1)
	}
}

func (l *limiter) bucket(r *http.Request) *rate.Limiter {
	client := l.client(r)
	bucket, ok := l.clients.Get(client)
	if !ok {
		// Two that come at once for the first time may get one each; the second stays.
		bucket = rate.NewLimiter(l.rate, l.burst)
	}
	l.clients.Add(client, bucket, forgotten)
	return bucket.(*rate.Limiter)
}

// client is where a request comes from: the last address on its way that no trusted proxy has. Of IPv6 it is the network, since one
// machine has very many addresses.
func (l *limiter) client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	address = address.Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && l.trusted(address); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = before.Unmap()
	}
	if address.Is6() {
		if network, err := address.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return address.String()
}

func (l *limiter) trusted(address netip.Addr) bool {
	for _, prefix := range l.proxies {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}
