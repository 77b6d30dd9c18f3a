package certs

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

const (
	// skew is how far the clocks of those who meet a new certificate may be behind.
	skew = time.Hour
	// maxAuthorities bounds the bundle. Two or three are usual, one more for each time that the Secret was healed.
	maxAuthorities = 10
)

// pair is a certificate and its key.
type pair struct {
	certPEM, keyPEM []byte
	leaf            *x509.Certificate
	tls             *tls.Certificate
}

func parsePair(certPEM, keyPEM []byte) (*pair, error) {
	switch {
	case len(certPEM) == 0:
		return nil, errors.New("there is no certificate")
	case len(keyPEM) == 0:
		return nil, errors.New("there is no private key")
	}
	certificate, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	return &pair{certPEM: certPEM, keyPEM: keyPEM, leaf: certificate.Leaf, tls: &certificate}, nil
}

// newPair makes a certificate for the names and the authority that signed it. The authority's private key is gone when
// newPair returns.
func newPair(names []string, now time.Time, validity time.Duration) (*pair, *x509.Certificate, error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	authority := &x509.Certificate{
		SerialNumber: serial,
		// Names differ, or verifiers would try the authorities of a bundle one after the other.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("policy-agent-ca-%x", serial)},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(validity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	if authority, err = signed(authority, authority, authorityKey, authorityKey); err != nil {
		return nil, nil, err
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if serial, err = newSerial(); err != nil {
		return nil, nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "policy-agent"},
		NotBefore:    authority.NotBefore,
		NotAfter:     authority.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	if leaf, err = signed(leaf, authority, key, authorityKey); err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	p, err := parsePair(encodeCertificates(leaf), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return p, authority, err
}

// newSerial is a random number of 128 bits: RFC 5280 wants it unique and at most 20 bytes long.
func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
}

func signed(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// verify says why the certificate cannot be served to those who trust the bundle and call by the names; nil when it can.
func (p *pair) verify(bundle []*x509.Certificate, names []string, now time.Time) error {
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, authority := range bundle {
		options.Roots.AddCert(authority)
	}
	for _, der := range p.tls.Certificate[1:] {
		if intermediate, err := x509.ParseCertificate(der); err == nil {
			options.Intermediates.AddCert(intermediate)
		}
	}
	if _, err := p.leaf.Verify(options); err != nil {
		return err
	}
	for _, name := range names {
		if err := p.leaf.VerifyHostname(name); err != nil {
			return err
		}
	}
	return nil
}

func (p *pair) equal(other *pair) bool { return other != nil && p.leaf.Equal(other.leaf) }

// names are those the certificate is good for.
func (p *pair) names() []string {
	names := slices.Clone(p.leaf.DNSNames)
	for _, ip := range p.leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// parseCertificates reads the certificates of a bundle and passes over everything else.
func parseCertificates(content []byte) []*x509.Certificate {
	var certificates []*x509.Certificate
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			return certificates
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			certificates = append(certificates, c)
		}
	}
}

func encodeCertificates(certificates ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certificates {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.Bytes()
}

// joined is a bundle of the authorities that have not expired, each once, the youngest first.
func joined(now time.Time, bundles ...[]*x509.Certificate) []*x509.Certificate {
	all := slices.Concat(bundles...)
	all = slices.DeleteFunc(all, func(c *x509.Certificate) bool { return now.After(c.NotAfter) })
	slices.SortStableFunc(all, func(a, b *x509.Certificate) int {
		return cmp.Or(b.NotAfter.Compare(a.NotAfter), bytes.Compare(a.Raw, b.Raw))
	})
	all = slices.CompactFunc(all, (*x509.Certificate).Equal)
	return all[:min(len(all), maxAuthorities)]
}

// union of names, without doubles; case plays no part in names.
func union(names, more []string) []string {
	all := slices.Clone(names)
	for _, name := range more {
		if !slices.ContainsFunc(all, func(n string) bool { return strings.EqualFold(n, name) }) {
			all = append(all, name)
		}
	}
	return all
}
