package cli

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/hub"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/auth/provider"
)

// signInFlags say how people's browsers reach the hub and sign in to it.
type signInFlags struct {
	external, sessionKeys string
	maxAge                time.Duration
	proxies               []string
	provider              provider.Options
}

func (s *signInFlags) register(f *pflag.FlagSet) {
	f.StringVar(&s.external, "external-url", "", "`URL` at which browsers find the hub, when that is not where it listens, such as https://hub.example.com")
	p := &s.provider
	f.StringVar(&p.Issuer, "oidc-issuer-url", "", "`URL` of an OpenID Connect provider that people sign in with; these flags mean what those of kube-apiserver do, and should be the same where it has them, so that people have the same names and groups")
	f.StringVar(&p.ClientID, "oidc-client-id", "", "`ID` of the hub at the provider, which leads back to /auth/callback below --external-url")
	f.StringVar(&p.SecretFile, "oidc-client-secret-file", "", "`file` with the secret of that client; without one it is a public client")
	f.StringVar(&p.CAFile, "oidc-ca-file", "", "`file` with the authorities that the provider's certificate may be of, instead of those of the machine")
	f.StringSliceVar(&p.Scopes, "oidc-scopes", []string{"profile", "email"}, "`scopes` that the provider is asked for beside openid; some have groups in the scope groups")
	f.StringVar(&p.UsernameClaim, "oidc-username-claim", "sub", "`claim` of the ID token that is the user's name")
	f.StringVar(&p.UsernamePrefix, "oidc-username-prefix", "", "`prefix` of users' names; - for none. Without one it is the issuer and #, unless the claim is email")
	f.StringVar(&p.GroupsClaim, "oidc-groups-claim", "", "`claim` of the ID token that is the user's groups; without one they have none")
	f.StringVar(&p.GroupsPrefix, "oidc-groups-prefix", "", "`prefix` of groups' names")
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
	return s.intoProvider(o)
}

// intoProvider makes the identity provider, if there is to be one.
func (s *signInFlags) intoProvider(o *hub.Options) error {
	p := s.provider
	switch {
	case p.Issuer == "" && p.ClientID == "" && p.SecretFile == "" && p.CAFile == "":
		return nil
	case p.Issuer == "":
		return usageErrorf("--oidc-issuer-url is missing")
	case p.ClientID == "":
		return usageErrorf("--oidc-client-id is missing")
	case o.External == nil:
		return usageErrorf("--external-url is missing: the provider of --oidc-issuer-url leads browsers back to it")
	}
	p.Redirect = o.External.JoinPath(auth.CallbackPath).String()
	var err error
	if o.Provider, err = provider.New(p); err != nil {
		return usageErrorf("--oidc-…: %v", err)
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
