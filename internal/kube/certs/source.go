package certs

import (
	"crypto/tls"
	"time"
)

// Source is where the certificate of the webhooks comes from. Its methods may be called at any time by any goroutine.
type Source interface {
	// GetCertificate is for tls.Config. It fails as long as there is no certificate.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// CABundle is what the API server must trust, in PEM; nil when somebody else tells it.
	CABundle() []byte
	// NotAfter is when the certificate in use expires; zero when there is none.
	NotAfter() time.Time
}

var (
	_ Source = (*Self)(nil)
	_ Source = (*Files)(nil)
)
