package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// DefaultValidity of a certificate; it is replaced when a third of it is left.
	DefaultValidity = 90 * 24 * time.Hour
	// maxSettle is how long the registration must have carried the authority of the next certificate before it is served:
	// API servers watch registrations and normally know within a second.
	maxSettle = 30 * time.Second
	// maxCheck is how long to wait at most before looking again. Timers do not notice when the clock is set, so it is
	// short.
	maxCheck = time.Minute
	// attempts to write the Secret while other replicas write it too.
	attempts = 10
)

// Options of certificates that the agent makes.
type Options struct {
	// Client reads and writes the Secret. It must read from the API server: from a cache, two replicas would not agree.
	Client client.Client
	// Namespace and Secret name the Secret that all replicas share.
	Namespace, Secret string
	// DNSNames are the names that the API server calls by; IP addresses are allowed.
	DNSNames []string
	// Validity of certificates; DefaultValidity when zero.
	Validity time.Duration
	// Owner tells when the Secret is made with what it shall be garbage collected; it and its result may be nil.
	Owner func(context.Context) *metav1.OwnerReference
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Logger is told of certificates that are made; slog.Default when nil.
	Logger *slog.Logger
}

// Self makes certificates and keeps them in a Secret. It is safe for concurrent use.
type Self struct {
	o Options

	mu sync.RWMutex
	// serving is what was last loaded; nil before.
	serving *stored
	// registered is since when the registration has carried the authority of candidate; zero when it does not.
	registered time.Time
	candidate  *pair
}

// NewSelf returns a source without a certificate yet: call Ensure.
func NewSelf(o Options) *Self {
	if o.Validity == 0 {
		o.Validity = DefaultValidity
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Self{o: o}
}

// Ensure makes the Secret hold a certificate that can be served and, when a third of its life is left, the next one, and
// loads what it holds. Every replica calls it when it starts, the leader whenever NextCheck has passed.
func (s *Self) Ensure(ctx context.Context) error {
	return s.change(ctx, func(in *stored, why error, now time.Time) (decision, error) {
		return decide(in, why, s.loaded(), &s.o, now)
	})
}

// Promote serves the next certificate, if there is one, when the API servers know its authority. The leader calls it each
// time after it wrote the registration; bundle is what the registration carries now.
func (s *Self) Promote(ctx context.Context, bundle []byte) error {
	next := s.settled(parseCertificates(bundle))
	if next == nil {
		return nil
	}
	return s.change(ctx, func(in *stored, why error, _ time.Time) (decision, error) {
		if !next.equal(in.next) { // another replica was first
			return decision{}, nil
		}
		return decision{promoted(in), "the registration carries its authority"}, nil
	})
}

// settled is the next certificate when the registration has carried its authority for long enough, nil otherwise.
func (s *Self) settled(bundle []*x509.Certificate) *pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	var next *pair
	if s.serving != nil {
		next = s.serving.next
	}
	switch {
	case next == nil || next.verify(bundle, nil, now) != nil:
		s.registered, s.candidate = time.Time{}, nil
		return nil
	case !next.equal(s.candidate) || now.Before(s.registered):
		s.registered, s.candidate = now, next
		return nil
	case now.Sub(s.registered) < s.settle():
		return nil
	}
	return next
}

// settle is shorter for certificates so short-lived that they would expire before it has passed.
func (s *Self) settle() time.Duration { return min(maxSettle, s.o.Validity/10) }

// change reads the Secret, writes what the decision wants, and loads the outcome. When somebody else wrote meanwhile it
// decides again over what they wrote.
func (s *Self) change(ctx context.Context, decide func(in *stored, why error, now time.Time) (decision, error)) error {
	name := s.o.Namespace + "/" + s.o.Secret
	backoff := wait.Backoff{Duration: 10 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: attempts, Cap: time.Second}
	var last error
	err := wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
		secret, err := s.get(ctx)
		if err != nil {
			return false, fmt.Errorf("reading the Secret %s with the certificate of the webhooks: %w", name, err)
		}
		now := s.o.Now()
		in, why := read(secret, s.o.DNSNames, now)
		d, err := decide(in, why, now)
		if err != nil {
			return false, err
		}
		if d.want == nil {
			return true, s.Load(secret)
		}
		d.want.writeTo(secret)
		if secret.ResourceVersion == "" {
			err = s.o.Client.Create(ctx, secret)
		} else {
			err = s.o.Client.Update(ctx, secret)
		}
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && secret.ResourceVersion != "" {
			last = err
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("writing the Secret %s with the certificate of the webhooks: %w", name, err)
		}
		s.o.Logger.InfoContext(ctx, "wrote the certificate of the webhooks", "secret", name, "reason", d.reason,
			"notAfter", d.want.current.leaf.NotAfter, "next", d.want.next != nil)
		return true, s.Load(secret)
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("writing the Secret %s with the certificate of the webhooks: others write it all the time, gave up after %d attempts: %w", name, attempts, last)
	}
	return err
}

// get returns the Secret; one without a resourceVersion when there is none yet.
func (s *Self) get(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := s.o.Client.Get(ctx, client.ObjectKey{Namespace: s.o.Namespace, Name: s.o.Secret}, secret)
	if !apierrors.IsNotFound(err) {
		return secret, err
	}
	secret = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.o.Namespace, Name: s.o.Secret,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "assay-agent"},
		},
		Type: corev1.SecretTypeTLS,
	}
	if s.o.Owner != nil {
		if owner := s.o.Owner(ctx); owner != nil {
			secret.OwnerReferences = []metav1.OwnerReference{*owner}
		}
	}
	return secret, nil
}

// Load takes over what the Secret holds; a watch calls it in every replica. When nothing in it can be served the error says
// why, and what was served before is served on.
func (s *Self) Load(secret *corev1.Secret) error {
	in, why := read(secret, s.o.DNSNames, s.o.Now())
	if why != nil {
		return fmt.Errorf("the certificate in Secret %s/%s cannot be served: %w", secret.Namespace, secret.Name, why)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving != nil {
		// Watches may be behind what this process read or wrote itself.
		if order, err := resourceversion.CompareResourceVersion(in.resourceVersion, s.serving.resourceVersion); err == nil && order < 0 {
			return nil
		}
	}
	s.serving = in
	return nil
}

func (s *Self) loaded() *stored {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.serving
}

// inUse is the certificate to serve: when the current one has expired, and nobody was there to replace it, the next.
func (s *Self) inUse() *pair {
	loaded := s.loaded()
	switch {
	case loaded == nil:
		return nil
	case loaded.next != nil && s.o.Now().After(loaded.current.leaf.NotAfter):
		return loaded.next
	}
	return loaded.current
}

// GetCertificate is for tls.Config.
func (s *Self) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p := s.inUse()
	if p == nil {
		return nil, errors.New("there is no certificate yet")
	}
	return p.tls, nil
}

// CABundle holds the authorities that a registration must carry: those of the current and the next certificate, and
// of the ones that replicas may still be serving.
func (s *Self) CABundle() []byte {
	loaded := s.loaded()
	if loaded == nil {
		return nil
	}
	return encodeCertificates(loaded.bundle...)
}

// NotAfter is when the certificate in use expires; zero when there is none.
func (s *Self) NotAfter() time.Time {
	p := s.inUse()
	if p == nil {
		return time.Time{}
	}
	return p.leaf.NotAfter
}

// NextCheck is how long the leader may wait before it calls Ensure, writes the registration and calls Promote.
func (s *Self) NextCheck() time.Duration {
	loaded := s.loaded()
	if loaded == nil {
		return time.Second
	}
	left := loaded.current.leaf.NotAfter.Sub(s.o.Now()) - s.o.Validity/3
	if loaded.next != nil {
		left = s.settle() / 3
	}
	return max(time.Second, min(left, maxCheck))
}
