package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

const (
	namespace  = "policy-system"
	secretName = "policy-agent-cert"
	serverName = "policy-agent.policy-system.svc"
	validity   = 90 * 24 * time.Hour
)

// stage is a cluster with replicas of the agent and an API server that trusts what was last registered.
type stage struct {
	t      *testing.T
	now    time.Time
	client client.WithWatch
	log    bytes.Buffer
	// registered is the bundle that the API server knows.
	registered []byte
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), client: fake.NewClientBuilder().Build()}
	t.Cleanup(func() {
		if bytes.Contains(s.log.Bytes(), []byte("PRIVATE")) {
			t.Error("the log has a private key")
		}
	})
	return s
}

func (s *stage) replica(names ...string) *Self {
	if len(names) == 0 {
		names = []string{serverName}
	}
	return NewSelf(Options{
		Client: s.client, Namespace: namespace, Secret: secretName, DNSNames: names, Validity: validity,
		Now: func() time.Time { return s.now }, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
	})
}

func (s *stage) pass(d time.Duration) { s.now = s.now.Add(d) }

// toRenewal is how long a new certificate is served before the next one is made.
const toRenewal = validity*2/3 + time.Hour

func (s *stage) ensure(r *Self) {
	s.t.Helper()
	if err := r.Ensure(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) promote(r *Self) {
	s.t.Helper()
	if err := r.Promote(s.t.Context(), s.registered); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) register(r *Self) { s.registered = r.CABundle() }

func (s *stage) load(r *Self) {
	s.t.Helper()
	if err := r.Load(s.secret()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) secret() *corev1.Secret {
	s.t.Helper()
	secret := &corev1.Secret{}
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: namespace, Name: secretName}, secret); err != nil {
		s.t.Fatal(err)
	}
	return secret
}

func (s *stage) edit(change func(data map[string][]byte)) *corev1.Secret {
	s.t.Helper()
	secret := s.secret()
	change(secret.Data)
	if err := s.client.Update(s.t.Context(), secret); err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// call is what the API server does: a TLS handshake with the replica, trusting nothing but the bundle.
func (s *stage) call(r Source, bundle []byte) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	return handshake(r, &tls.Config{ServerName: serverName, RootCAs: roots, Time: func() time.Time { return s.now }})
}

// handshake goes over TCP: over a pipe, which holds nothing back, an end that gives up and one that still speaks would wait
// for each other.
func handshake(r Source, config *tls.Config) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		there, err := listener.Accept()
		if err != nil {
			return
		}
		defer there.Close()
		_ = tls.Server(there, &tls.Config{GetCertificate: r.GetCertificate}).Handshake() // the client tells what is wrong
	}()
	here, err := tls.Dial("tcp", listener.Addr().String(), config)
	if err == nil {
		here.Close()
	}
	listener.Close()
	<-done
	return err
}

// reachable demands that the API server can call each of the replicas.
func (s *stage) reachable(moment string, replicas ...Source) {
	s.t.Helper()
	for i, r := range replicas {
		if err := s.call(r, s.registered); err != nil {
			s.t.Errorf("%s: the API server cannot call replica %d: %v", moment, i, err)
		}
	}
}

func serial(t *testing.T, r Source) string {
	t.Helper()
	c, err := r.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf.SerialNumber.String()
}
