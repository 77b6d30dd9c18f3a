package terraform

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	tokens := func(all ...string) func() [][]byte {
		return func() [][]byte {
			var list [][]byte
			for _, token := range all {
				list = append(list, []byte(token))
			}
			return list
		}
	}
	const missing, wrong = `Bearer realm="assay"`, `Bearer realm="assay", error="invalid_token"`
	tests := map[string]struct {
		tokens    func() [][]byte
		header    string
		challenge string
	}{
		"no tokens are asked for":              {nil, "", ""},
		"one that is not asked for":            {nil, "Bearer x", ""},
		"the token":                            {tokens("one"), "Bearer one", ""},
		"the scheme in another case":           {tokens("one"), "bearer  one ", ""},
		"any of several":                       {tokens("one", "two"), "Bearer two", ""},
		"none":                                 {tokens("one"), "", missing},
		"another":                              {tokens("one"), "Bearer two", wrong},
		"the beginning of it":                  {tokens("one"), "Bearer on", wrong},
		"more than it":                         {tokens("one"), "Bearer one1", wrong},
		"another scheme":                       {tokens("one"), "Basic one", missing},
		"the token alone":                      {tokens("one"), "one", missing},
		"no token after the scheme":            {tokens("", "one"), "Bearer ", missing},
		"nothing, when the file is empty":      {tokens(), "", missing},
		"something, when the file is empty":    {tokens(), "Bearer x", wrong},
		"nothing, when a line of it is empty":  {tokens(""), "Bearer", missing},
		"something where a line of it is none": {tokens(""), "Bearer x", wrong},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			o := options(t)
			o.Tokens = test.tokens
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(withPlan(t, "")))
			if test.header != "" {
				r.Header.Set("Authorization", test.header)
			}
			Handler(o).ServeHTTP(w, r)
			if got := w.Header().Get("WWW-Authenticate"); got != test.challenge {
				t.Errorf("challenge %q, want %q", got, test.challenge)
			}
			if refused := w.Code == http.StatusUnauthorized; refused != (test.challenge != "") || !refused && w.Code != http.StatusOK {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
		})
	}
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate, key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func (a *authority) issue(t *testing.T, usage x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestClientCertificates(t *testing.T) {
	trusted, other := newAuthority(t), newAuthority(t)
	good, foreign := trusted.issue(t, x509.ExtKeyUsageClientAuth), other.issue(t, x509.ExtKeyUsageClientAuth)
	tests := map[string]struct {
		// auth is how the TLS layer asks; the API server's webhook on the same port does not send one.
		auth        tls.ClientAuthType
		certificate *tls.Certificate
		token       string
		tokens      bool
		want        int // 0: the TLS layer refuses
	}{
		"one of the authority":                     {tls.VerifyClientCertIfGiven, &good, "", false, 200},
		"none":                                     {tls.VerifyClientCertIfGiven, nil, "", false, 401},
		"one of another authority":                 {tls.VerifyClientCertIfGiven, &foreign, "", false, 0},
		"one of another authority, not verified":   {tls.RequestClientCert, &foreign, "", false, 401},
		"one of the authority, but not verified":   {tls.RequestClientCert, &good, "", false, 401},
		"one of the authority instead of a token":  {tls.VerifyClientCertIfGiven, &good, "", true, 200},
		"a token instead of one":                   {tls.VerifyClientCertIfGiven, nil, "one", true, 200},
		"a wrong token and none":                   {tls.VerifyClientCertIfGiven, nil, "two", true, 401},
		"a token that nobody accepts and none":     {tls.VerifyClientCertIfGiven, nil, "one", false, 401},
		"a wrong token, but a certificate as well": {tls.VerifyClientCertIfGiven, &good, "two", true, 200},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			o := options(t)
			o.RequireClientCertificate = true
			if test.tokens {
				o.Tokens = func() [][]byte { return [][]byte{[]byte("one")} }
			}
			server := httptest.NewUnstartedServer(Handler(o))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{trusted.issue(t, x509.ExtKeyUsageServerAuth)}, ClientAuth: test.auth, ClientCAs: trusted.pool()}
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes
			server.StartTLS()
			defer server.Close()
			config := &tls.Config{RootCAs: trusted.pool()}
			if test.certificate != nil {
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return test.certificate, nil }
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(withPlan(t, plan(t, "create"))))
			if err != nil {
				t.Fatal(err)
			}
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			response, err := client.Do(r)
			if test.want == 0 {
				if err == nil {
					t.Errorf("the answer is %s", response.Status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != test.want || (test.want == 401) != (response.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("the answer is %s, %v", response.Status, response.Header)
			}
		})
	}
}
