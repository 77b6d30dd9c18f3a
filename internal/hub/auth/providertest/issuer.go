// Package providertest is an identity provider that lies, which none does that can be had: it signs in whoever comes as it is told, with ID
// tokens that are right or wrong. That the hub gets along with a real one is tested in e2e.
package providertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Client is the ID of the hub at it.
const Client = "assay-hub"

// Issuer is one. Its fields are set before it is asked.
type Issuer struct {
	URL string
	// Claims are those of ID tokens, beside those that a right one needs; nil leaves one of those out.
	Claims map[string]any
	// Forge signs with another key than it shows, Algorithm with another algorithm than ES256.
	Forge     bool
	Algorithm jose.SignatureAlgorithm
	// Answer of the token endpoint, instead of a right one.
	Answer http.HandlerFunc
	// Discovery changes what it says about itself.
	Discovery map[string]any
	// Secret that the client must show.
	Secret string

	t      testing.TB
	key    *ecdsa.PrivateKey
	mu     sync.Mutex
	codes  map[string]url.Values
	down   bool
	asked  int
	server *httptest.Server
}

// Start starts one for the time of a test.
func Start(t testing.TB) *Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{Claims: map[string]any{}, Discovery: map[string]any{}, t: t, key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discover)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", i.token)
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked++
		down := i.down
		i.mu.Unlock()
		if down {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(i.server.Close)
	i.URL = i.server.URL
	return i
}

// SetDown makes it answer with errors.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Asked is how many requests there were.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// SignIn is what happens in a browser that was led to a location: somebody signs in, and is led back with the query that comes of it.
func (i *Issuer) SignIn(location string) url.Values {
	i.t.Helper()
	to, err := url.Parse(location)
	if err != nil {
		i.t.Fatal(err)
	}
	code := rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.codes[code] = to.Query()
	return url.Values{"code": {code}, "state": {to.Query().Get("state")}}
}

func (i *Issuer) discover(w http.ResponseWriter, _ *http.Request) {
	says := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
	}
	for name, value := range i.Discovery {
		says[name] = value
	}
	i.answer(w, http.StatusOK, says)
}

// token takes a code once, from who has the verifier.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	asked, ok := i.codes[r.FormValue("code")]
	delete(i.codes, r.FormValue("code"))
	i.mu.Unlock()
	if i.Answer != nil {
		i.Answer(w, r)
		return
	}
	challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	_, secret, _ := r.BasicAuth()
	switch {
	case !ok || asked.Get("redirect_uri") != r.FormValue("redirect_uri"):
		i.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	case asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(challenge[:]):
		i.answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "the verifier is not that of the challenge"})
		return
	case i.Secret != "" && secret != i.Secret:
		i.answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	claims := map[string]any{
		"iss": i.URL, "aud": Client, "sub": "jane-1", "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, value := range i.Claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	i.answer(w, http.StatusOK, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": i.sign(claims)})
}

func (i *Issuer) sign(claims map[string]any) string {
	key := jose.SigningKey{Algorithm: jose.ES256, Key: i.key}
	switch {
	case i.Algorithm != "":
		// As if the key that it shows were a secret.
		public, err := i.key.PublicKey.Bytes()
		if err != nil {
			i.t.Error(err)
		}
		key = jose.SigningKey{Algorithm: i.Algorithm, Key: public}
	case i.Forge:
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			i.t.Error(err)
		}
		key.Key = other
	}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		i.t.Error(err)
		return ""
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		i.t.Error(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		i.t.Error(err)
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		i.t.Error(err)
	}
	return text
}

func (i *Issuer) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone does not want it.
	_ = json.NewEncoder(w).Encode(body)
}
