package cli

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/hub"
	"github.com/assay-gitops/assay/internal/hub/auth"
)

// signInFlags say how people's browsers reach the hub and sign in to it.
type signInFlags struct {
	external, sessionKeys string
	maxAge                time.Duration
	proxies               []string
}

func (s *signInFlags) register(f *pflag.FlagSet) {
	f.StringVar(&s.external, "external-url", "", "`URL` at which browsers find the hub, when that is not where it listens, such as https://hub.example.com")
	f.StringVar(&s.sessionKeys, "session-key-file", "", "`file` of the keys of sessions, a line of base64 each, as openssl rand -base64 32 writes them: the first one is for new sessions; without a file sessions end with the process")
	f.DurationVar(&s.maxAge, "session-max-age", auth.DefaultSessionMaxAge, "how `long` a session lasts at most; one that is not used ends after an hour")
	f.StringSliceVar(&s.proxies, "trusted-proxies", nil, "`networks`, such as 10.0.0.0/8, of proxies that are believed about whose requests they pass on, in X-Forwarded-For")
}

func (s *signInFlags) into(o *hub.Options) error {
	var err error
	if o.External, err = parseExternal(s.external); err != nil {
		return err
	}
	if s.maxAge < auth.MinSessionMaxAge {
		return usageErrorf("--session-max-age must be %s or longer", auth.MinSessionMaxAge)
	}
	o.SessionKeys, o.SessionMaxAge = s.sessionKeys, s.maxAge
	for _, text := range s.proxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil || address.Zone() != "" {
				return usageErrorf("--trusted-proxies %q: must be a network, such as 10.0.0.0/8, or an address", text)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		o.TrustedProxies = append(o.TrustedProxies, network.Masked())
	}
	return nil
}

// parseExternal reads the origin at which browsers find the hub.
func parseExternal(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	external, err := url.Parse(text)
	switch {
	case err != nil || external.Host == "" || external.User != nil || external.RawQuery != "" || external.Fragment != "" || external.Path != "" && external.Path != "/":
		return nil, usageErrorf("--external-url %q: must be of the form https://HOST[:PORT]", text)
	case external.Scheme == "https" || external.Scheme == "http" && onLoopback(external.Hostname()):
		external.Path = ""
		return external, nil
	default:
		return nil, usageErrorf("--external-url %q: must begin with https://, or be on localhost: sessions would be sent in clear", text)
	}
}

func onLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
