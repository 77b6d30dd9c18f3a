package certs

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestTheFirstCertificateIsServedAtOnce(t *testing.T) {
	s := newStage(t)
	r := s.replica()
	if _, err := r.GetCertificate(nil); err == nil || r.CABundle() != nil || !r.NotAfter().IsZero() {
		t.Error("there is a certificate before Ensure")
	}
	s.ensure(r)
	s.register(r)
	s.reachable("after Ensure", r)
	if want := s.now.Add(validity); !r.NotAfter().Equal(want) {
		t.Errorf("expires %s, want %s", r.NotAfter(), want)
	}
	secret := s.secret()
	if secret.Type != corev1.SecretTypeTLS {
		t.Errorf("the Secret is of type %s", secret.Type)
	}
	for key := range secret.Data {
		if key != corev1.TLSCertKey && key != corev1.TLSPrivateKeyKey && key != "ca.crt" {
			t.Errorf("the Secret holds %s", key)
		}
	}
}

func TestTheAuthorityCannotSignAgain(t *testing.T) {
	s := newStage(t)
	s.ensure(s.replica())
	data := s.secret().Data
	if _, err := parsePair(data["ca.crt"], data[corev1.TLSPrivateKeyKey]); err == nil {
		t.Error("the key in the Secret is the authority's")
	}
}

func TestRotationNeverMeetsAnAPIServerThatDoesNotTrust(t *testing.T) {
	s := newStage(t)
	leader, other := s.replica(), s.replica()
	s.ensure(leader)
	s.ensure(other)
	s.register(leader)
	s.reachable("at the start", leader, other)
	before, atStart := serial(t, leader), s.registered

	s.pass(toRenewal)
	s.ensure(leader)
	s.reachable("the next certificate is made, nobody knows yet", leader, other)
	s.load(other)
	s.promote(leader)
	s.reachable("the registration does not carry its authority", leader, other)

	s.register(leader)
	s.promote(leader)
	s.pass(maxSettle - time.Second)
	s.promote(leader)
	s.reachable("the registration carries it, API servers may not have seen it", leader, other)
	if serial(t, leader) != before {
		t.Error("the next certificate is served before API servers can have seen its authority")
	}

	s.pass(time.Second)
	s.promote(leader)
	if serial(t, leader) == before {
		t.Fatal("the next certificate is not served")
	}
	if serial(t, other) != before {
		t.Fatal("the other replica serves what it was not told of")
	}
	s.reachable("the other replica has not heard", leader, other)
	if s.call(leader, atStart) == nil {
		t.Error("an API server that knows only the old authority trusts the new certificate: this test proves nothing")
	}
	s.load(other)
	s.reachable("all have heard", leader, other)

	s.register(leader)
	s.reachable("the registration follows", leader, other)
	if got := len(parseCertificates(s.registered)); got != 2 {
		t.Errorf("the bundle holds %d authorities, want the new one and, until it expires, the old one", got)
	}
	s.pass(toRenewal)
	s.ensure(leader)
	if got := len(parseCertificates(leader.CABundle())); got != 2 {
		t.Errorf("the bundle holds %d authorities, want the current one and the next", got)
	}
}

func TestTheNextCertificateWaitsForTheRegistration(t *testing.T) {
	s := newStage(t)
	leader := s.replica()
	s.ensure(leader)
	s.register(leader)
	before := serial(t, leader)
	s.pass(toRenewal)
	s.ensure(leader)
	for range 10 { // the registration cannot be written
		s.pass(time.Hour)
		s.ensure(leader)
		s.promote(leader)
	}
	if serial(t, leader) != before {
		t.Error("a certificate is served that no API server trusts")
	}

	with := leader.CABundle()
	s.registered, with = with, s.registered
	s.promote(leader)
	s.registered, with = with, s.registered // somebody took it out again
	s.pass(maxSettle)
	s.promote(leader)
	s.registered = with
	s.promote(leader)
	if serial(t, leader) != before {
		t.Error("the time that the registration lacked the authority counts as time that it carried it")
	}
	s.pass(maxSettle)
	s.promote(leader)
	if serial(t, leader) == before {
		t.Error("the next certificate is never served")
	}
}

func TestWhenNobodyLeadsTheNextCertificateTakesOver(t *testing.T) {
	s := newStage(t)
	r := s.replica()
	s.ensure(r)
	s.pass(toRenewal)
	s.ensure(r)
	s.register(r)
	s.pass(validity / 3)
	s.reachable("the current one has expired", r)
	s.ensure(r)
	s.reachable("somebody leads again", r)
	if s.secret().Data[nextCertKey] != nil {
		t.Error("the next certificate was not moved")
	}
}

func TestAClockThatJumpsOverExpiry(t *testing.T) {
	s := newStage(t)
	leader, other := s.replica(), s.replica()
	s.ensure(leader)
	s.ensure(other)
	s.pass(validity + time.Hour)
	s.register(leader)
	if s.call(leader, s.registered) == nil {
		t.Fatal("the certificate has not expired: this test proves nothing")
	}
	s.ensure(leader)
	s.ensure(other)
	s.register(leader)
	s.reachable("after Ensure", leader, other)
}

func TestARuinedSecretIsHealed(t *testing.T) {
	tests := map[string]func(t *testing.T, s *stage){
		"deleted": func(t *testing.T, s *stage) {
			if err := s.client.Delete(t.Context(), s.secret()); err != nil {
				t.Fatal(err)
			}
		},
		"emptied": func(_ *testing.T, s *stage) { s.edit(func(data map[string][]byte) { clear(data) }) },
		"filled with rubbish": func(_ *testing.T, s *stage) {
			s.edit(func(data map[string][]byte) {
				for key := range data {
					data[key] = []byte("rubbish")
				}
			})
		},
		"without its key": func(_ *testing.T, s *stage) {
			s.edit(func(data map[string][]byte) { delete(data, corev1.TLSPrivateKeyKey) })
		},
		"without what makes it true": func(_ *testing.T, s *stage) { s.edit(func(data map[string][]byte) { delete(data, "ca.crt") }) },
		"with the key of another": func(t *testing.T, s *stage) {
			p, _, err := newPair([]string{serverName}, s.now, validity)
			if err != nil {
				t.Fatal(err)
			}
			s.edit(func(data map[string][]byte) { data[corev1.TLSPrivateKeyKey] = p.keyPEM })
		},
		"with one that has expired": func(t *testing.T, s *stage) {
			p, ca, err := newPair([]string{serverName}, s.now.Add(-validity-time.Hour), validity)
			if err != nil {
				t.Fatal(err)
			}
			s.edit(func(data map[string][]byte) {
				data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey], data["ca.crt"] = p.certPEM, p.keyPEM, encodeCertificates(ca)
			})
		},
	}
	for name, ruin := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			leader := s.replica()
			s.ensure(leader)
			s.register(leader)
			before := serial(t, leader)
			ruin(t, s)
			secret := &corev1.Secret{}
			_ = s.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: secretName}, secret)
			if err := leader.Load(secret); err == nil {
				t.Error("Load says nothing")
			}
			s.reachable("ruined", leader)

			// A replica that remembers nothing, and has nothing to put back.
			fresh := s.replica()
			restarted := newStage(t)
			restarted.now = s.now
			secret.ResourceVersion, secret.Namespace, secret.Name = "", namespace, secretName
			if err := restarted.client.Create(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			fresh.o.Client = restarted.client
			restarted.ensure(fresh)
			restarted.register(fresh)
			restarted.reachable("healed by one that remembers nothing", fresh)

			s.ensure(leader)
			s.reachable("healed, the registration is the old one", leader)
			if serial(t, leader) != before {
				t.Error("another certificate is served before the API server knows it")
			}
			s.register(leader)
			s.promote(leader)
			s.pass(maxSettle)
			s.promote(leader)
			s.reachable("the new one is served", leader)
			if serial(t, leader) == before {
				t.Error("no new certificate is served: deleting the Secret is how to ask for one")
			}
		})
	}
}

func TestNewNamesAreServedToTheOldAndTheNewReplicas(t *testing.T) {
	s := newStage(t)
	old := s.replica("old.policy-system.svc")
	s.ensure(old)
	renamed := s.replica()
	if err := renamed.Load(s.secret()); err == nil || !strings.Contains(err.Error(), serverName) {
		t.Errorf("Load says %v", err)
	}
	s.ensure(renamed)
	s.register(renamed)
	s.reachable("after Ensure", renamed)
	version := s.secret().ResourceVersion
	s.ensure(old)
	if s.secret().ResourceVersion != version {
		t.Error("the old replica replaces the certificate of the new one")
	}
}

func TestAddressesAreNamesToo(t *testing.T) {
	s := newStage(t)
	r := s.replica(serverName, "127.0.0.1")
	s.ensure(r)
	version := s.secret().ResourceVersion
	s.ensure(r)
	if s.secret().ResourceVersion != version {
		t.Error("the certificate is made again and again")
	}
	if got := r.loaded().current.leaf.IPAddresses; len(got) != 1 {
		t.Errorf("addresses: %v", got)
	}
}

func TestReplicasThatStartAtOnceAgree(t *testing.T) {
	s := newStage(t)
	replicas := make([]*Self, 5)
	var group sync.WaitGroup
	for i := range replicas {
		replicas[i] = s.replica()
		replicas[i].o.Logger = nil
		replicas[i] = NewSelf(replicas[i].o)
		group.Go(func() {
			if err := replicas[i].Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	s.register(replicas[0])
	for _, r := range replicas {
		if serial(t, r) != serial(t, replicas[0]) {
			t.Error("replicas serve different certificates")
		}
		s.reachable("all have started", r)
	}
}

func TestOneWhoWasSlowerTakesWhatTheOtherWrote(t *testing.T) {
	s := newStage(t)
	leader, other := s.replica(), s.replica()
	s.ensure(leader)
	s.pass(toRenewal)
	written := false
	other.o.Client = interceptor.NewClient(s.client, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if !written {
				written = true
				s.ensure(leader)
			}
			return c.Update(ctx, o, opts...)
		},
	})
	s.ensure(other)
	if !written || !other.loaded().next.equal(leader.loaded().next) {
		t.Error("two replicas have two next certificates")
	}
}

func TestErrorsNameTheSecretAndEnd(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	tests := map[string]struct {
		err  error
		want string
	}{
		"rights are missing":        {apierrors.NewForbidden(secrets, secretName, nil), "writing the Secret policy-system/policy-agent-cert with the certificate of the webhooks: secrets \"policy-agent-cert\" is forbidden"},
		"others write all the time": {apierrors.NewConflict(secrets, secretName, nil), "gave up after 10 attempts"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			r := s.replica()
			r.o.Client = interceptor.NewClient(s.client, interceptor.Funcs{
				Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return test.err },
			})
			if err := r.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestAWatchThatIsBehindChangesNothing(t *testing.T) {
	s := newStage(t)
	r := s.replica()
	s.ensure(r)
	behind := s.secret()
	s.pass(toRenewal)
	s.ensure(r)
	if err := r.Load(behind); err != nil {
		t.Fatal(err)
	}
	if r.loaded().next == nil {
		t.Error("the next certificate is forgotten")
	}
}

func TestWhenToLookAgain(t *testing.T) {
	s := newStage(t)
	r := s.replica()
	check := func(moment string, want time.Duration) {
		t.Helper()
		if got := r.NextCheck(); got != want {
			t.Errorf("%s: in %s, want %s", moment, got, want)
		}
	}
	check("nothing is loaded", time.Second)
	s.ensure(r)
	check("there is time, but the clock may be set", time.Minute)
	s.pass(toRenewal - time.Hour - 20*time.Second)
	check("renewal is near", 20*time.Second)
	s.pass(time.Minute)
	check("renewal is due", time.Second)
	s.ensure(r)
	check("the registration is awaited", 10*time.Second)
}

func TestTheBundleIsBounded(t *testing.T) {
	s := newStage(t)
	r := s.replica()
	for range 2 * maxAuthorities {
		s.pass(time.Minute)
		s.ensure(r)
		s.edit(func(data map[string][]byte) { delete(data, corev1.TLSPrivateKeyKey); delete(data, nextKeyKey) })
		r = s.replica()
	}
	s.ensure(r)
	s.register(r)
	s.reachable("healed often", r)
	if got := len(parseCertificates(s.registered)); got != maxAuthorities {
		t.Errorf("the bundle holds %d authorities, want %d", got, maxAuthorities)
	}
}

func TestTheSecretGoesWithItsOwner(t *testing.T) {
	s := newStage(t)
	r := s.replica()
	owner := metav1.OwnerReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "policy-agent", UID: "1"}
	r.o.Owner = func(context.Context) *metav1.OwnerReference { return &owner }
	s.ensure(r)
	if owners := s.secret().OwnerReferences; len(owners) != 1 || owners[0] != owner {
		t.Errorf("owners: %v", owners)
	}
}
