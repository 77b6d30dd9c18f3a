package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Keys of the Secret beside those of a kubernetes.io/tls Secret.
const (
	caKey       = "ca.crt"
	nextCertKey = "next.crt"
	nextKeyKey  = "next.key"
)

// stored is what the Secret holds, or what it is to hold. It is not changed once it is made.
type stored struct {
	// current is what is served. nil when there is none that can be served.
	current *pair
	// next is what will be served once the API server knows its authority; nil when there is none.
	next *pair
	// bundle holds the authorities of both, and those of certificates that some replica may still be serving.
	bundle []*x509.Certificate
	// resourceVersion of the Secret.
	resourceVersion string
}

// read takes from the Secret what can be served. The error says why current is not among it.
func read(secret *corev1.Secret, names []string, now time.Time) (*stored, error) {
	s := &stored{bundle: joined(now, parseCertificates(secret.Data[caKey])), resourceVersion: secret.ResourceVersion}
	if next, err := parsePair(secret.Data[nextCertKey], secret.Data[nextKeyKey]); err == nil && next.verify(s.bundle, names, now) == nil {
		s.next = next
	}
	current, err := parsePair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return s, err
	}
	if err := current.verify(s.bundle, names, now); err != nil {
		return s, err
	}
	s.current = current
	return s, nil
}

// writeTo replaces what the Secret holds.
func (s *stored) writeTo(secret *corev1.Secret) {
	secret.Data = map[string][]byte{
		corev1.TLSCertKey:       s.current.certPEM,
		corev1.TLSPrivateKeyKey: s.current.keyPEM,
		caKey:                   encodeCertificates(s.bundle...),
	}
	if s.next != nil {
		secret.Data[nextCertKey] = s.next.certPEM
		secret.Data[nextKeyKey] = s.next.keyPEM
	}
}

// decision is what to do about the Secret.
type decision struct {
	// want is what the Secret is to hold; nil when it is fine.
	want *stored
	// reason for the change.
	reason string
}

// decide finds what the Secret is to hold. In is what it holds, why says why its current certificate cannot be served (nil
// when it can), remembered is what this process serves, nil when nothing.
func decide(in *stored, why error, remembered *stored, o *Options, now time.Time) (decision, error) {
	if in.current != nil {
		left := in.current.leaf.NotAfter.Sub(now)
		if in.next != nil || left > o.Validity/3 {
			return decision{}, nil
		}
		want, err := withNext(in, o, now)
		return decision{want, fmt.Sprintf("the certificate expires in %s", left.Round(time.Second))}, err
	}
	if remembered != nil && remembered.current != nil && remembered.current.verify(remembered.bundle, o.DNSNames, now) == nil {
		kept := &stored{current: remembered.current, next: in.next, bundle: joined(now, remembered.bundle, in.bundle)}
		if kept.next == nil {
			var err error
			if kept, err = withNext(kept, o, now); err != nil {
				return decision{}, err
			}
		}
		return decision{kept, "the certificate in use is put back: " + why.Error()}, nil
	}
	if in.next != nil {
		return decision{promoted(in), "the next certificate takes over: " + why.Error()}, nil
	}
	names := o.DNSNames
	if hostname := (x509.HostnameError{}); errors.As(why, &hostname) {
		// Replicas of before and after a change of the names run side by side for a while: each must find its own.
		names = union(names, (&pair{leaf: hostname.Certificate}).names())
	}
	fresh, authority, err := newPair(names, now, o.Validity)
	if err != nil {
		return decision{}, fmt.Errorf("making a certificate: %w", err)
	}
	return decision{&stored{current: fresh, bundle: joined(now, []*x509.Certificate{authority}, in.bundle)}, why.Error()}, nil
}

func withNext(s *stored, o *Options, now time.Time) (*stored, error) {
	next, authority, err := newPair(o.DNSNames, now, o.Validity)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return &stored{current: s.current, next: next, bundle: joined(now, []*x509.Certificate{authority}, s.bundle)}, nil
}

func promoted(s *stored) *stored { return &stored{current: s.next, bundle: s.bundle} }
