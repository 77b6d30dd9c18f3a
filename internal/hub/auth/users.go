package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// maxCost bounds the time a password takes: at 14 about a second.
	maxCost = 14
	// parallelPasswords bounds how many are checked at once, since each takes a core.
	parallelPasswords = 2
	maxUsers          = 10_000
	// triesAtOnce is how many wrong passwords may be tried for a name, and tryEvery how long each takes to come back.
	triesAtOnce = 20
	tryEvery    = 10 * time.Second
	// maxTried bounds how many names that were tried are remembered.
	maxTried = 16_384
)

// account is a line of the file.
type account struct {
	hash   []byte
	groups []string
}

// accounts are what the file says.
type accounts struct {
	byName map[string]account
	// hashes are those of all, in the order of the file.
	hashes [][]byte
}

// parseUsers reads lines name:hash or name:hash:group,group, with hashes of bcrypt as htpasswd -B writes them.
func parseUsers(content []byte) (*accounts, error) {
	found := &accounts{byName: map[string]account{}}
	number := 0
	for line := range bytes.SplitSeq(content, []byte("\n")) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fields := strings.Split(text, ":")
		if len(fields) < 2 || len(fields) > 3 || fields[0] == "" {
			// That includes the names and groups of system:, which nobody may have by this file: they have colons.
			return nil, fmt.Errorf("line %d is not name:hash or name:hash:group,group", number)
		}
		name := fields[0]
		cost, err := bcrypt.Cost([]byte(fields[1]))
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d (%s): the hash is not one of bcrypt, as htpasswd -B writes", number, name)
		case cost > maxCost:
			return nil, fmt.Errorf("line %d (%s): the hash has cost %d, more than %d", number, name, cost, maxCost)
		case len(found.byName) == maxUsers:
			return nil, fmt.Errorf("line %d: it has more than %d users", number, maxUsers)
		}
		if _, twice := found.byName[name]; twice {
			return nil, fmt.Errorf("line %d: user %s occurs twice", number, name)
		}
		entry := account{hash: []byte(fields[1])}
		if len(fields) == 3 && fields[2] != "" {
			entry.groups = strings.Split(fields[2], ",")
		}
		for _, group := range entry.groups {
			if strings.TrimSpace(group) != group || group == "" {
				return nil, fmt.Errorf("line %d (%s): a group is empty or has spaces around it", number, name)
			}
		}
		found.byName[name] = entry
		found.hashes = append(found.hashes, entry.hash)
	}
	return found, nil
}

// users checks passwords.
type users struct {
	file *watched[*accounts]
	now  clock
	// good are passwords that were right, by a hash that nobody else can make: bcrypt is too slow for each request.
	good *cache.LRUExpireCache
	key  [32]byte
	// tries are what each name has left of wrong passwords.
	tries *cache.LRUExpireCache
	// nobody is checked when there are no users at all.
	nobody []byte
	turns  chan struct{}
}

func newUsers(file *watched[*accounts], now clock) (*users, error) {
	u := &users{file: file, now: now, tries: cache.NewLRUExpireCacheWithClock(maxTried, now), good: cache.NewLRUExpireCacheWithClock(maxTokens, now), turns: make(chan struct{}, parallelPasswords)}
	if _, err := rand.Read(u.key[:]); err != nil {
		return nil, fmt.Errorf("making a key for passwords: %w", err)
	}
	var err error
	if u.nobody, err = bcrypt.GenerateFromPassword(u.key[:], bcrypt.DefaultCost); err != nil {
		return nil, fmt.Errorf("making a hash for passwords of nobody: %w", err)
	}
	return u, nil
}

func (u *users) check(ctx context.Context, name, password string) (user, error) {
	known := u.file.get()
	entry, exists := known.byName[name]
	hash := entry.hash
	if !exists {
		hash = u.anyOf(known, name)
	}
	// The lengths keep what is joined apart; the hash forgets a password that was changed.
	remembered := sha256.Sum256(fmt.Appendf(u.key[:], "%d:%s%d:%s%s", len(name), name, len(password), password, hash))
	who := user{Username: name, Groups: entry.groups}
	if _, ok := u.good.Get(remembered); ok && exists {
		return who, nil
	}
	if wait := u.tried(name); wait > 0 {
		return user{}, &Refusal{Reason: Throttled, Wait: wait, Detail: "there were too many wrong passwords for this name: wait a moment"}
	}
	select {
	case <-ctx.Done():
		return user{}, ctx.Err()
	case u.turns <- struct{}{}:
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	<-u.turns
	switch {
	case !exists || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) || errors.Is(err, bcrypt.ErrPasswordTooLong):
		return user{}, unauthenticated("name or password is wrong")
	case err != nil:
		return user{}, &Refusal{Reason: Unavailable, Detail: "the password could not be checked", Cause: err}
	}
	u.good.Add(remembered, nil, believed)
	u.tries.Remove(hashed(name))
	return who, nil
}

// anyOf is the hash of somebody, the same each time for a name that nobody has: to look at it takes as long as if somebody had. What comes of
// that is not looked at.
func (u *users) anyOf(known *accounts, name string) []byte {
	if len(known.hashes) == 0 {
		return u.nobody
	}
	sum := sha256.Sum256(append(u.key[:], name...))
	return known.hashes[binary.BigEndian.Uint64(sum[:])%uint64(len(known.hashes))]
}

// tried takes one of the tries that a name has, or tells how long to wait for one. It is the same for names that nobody has.
func (u *users) tried(name string) (wait time.Duration) {
	left, ok := u.tries.Get(hashed(name))
	if !ok {
		// Two that come at once for the first time may get one each; the second stays.
		left = rate.NewLimiter(rate.Every(tryEvery), triesAtOnce)
	}
	u.tries.Add(hashed(name), left, tryEvery*triesAtOnce)
	now, limiter := u.now(), left.(*rate.Limiter)
	if limiter.AllowN(now, 1) {
		return 0
	}
	return max(time.Second, time.Duration((1-limiter.TokensAt(now))*float64(tryEvery)))
}

// mark stands for what makes a session of a user a good one: when the password changes it does.
func (u *users) mark(name string) (mark string, groups []string, ok bool) {
	entry, ok := u.file.get().byName[name]
	if !ok {
		return "", nil, false
	}
	sum := sha256.Sum256(entry.hash)
	return base64.RawStdEncoding.EncodeToString(sum[:16]), entry.groups, true
}

// private tells whether nobody listens on the way.
func private(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
