package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/e2e/cluster"
)

func testWhatAlwaysPasses(t *testing.T) {
	const name = "behaviour.nothing"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: behaviour-nothing}\n")
	manifest := policyOf(name, "false") // it targets everything
	applied(t, manifest)
	eventually(t, "a denial", func() error { return deniedBy(name, try(t.Context(), configMap("behaviour-nothing", "x", nil))) })
	if _, err := shared.Kubectl(t.Context(), "apiVersion: v1\nkind: Namespace\nmetadata: {name: behaviour-nowhere}\n", "create", "--dry-run=server", "-f", "-"); deniedBy(name, err) != nil {
		t.Errorf("a cluster's own objects are judged: %v", deniedBy(name, err))
	}
	for what, manifest := range map[string]string{
		"the agent's namespace":        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: " + agentNamespace + "}\n",
		"the agent's Namespace itself": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + agentNamespace + ", labels: {pod-security.kubernetes.io/enforce: restricted, x: \"y\"}}\n",
		"kube-system":                  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: kube-system}\n",
		"Leases":                       "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: x, namespace: behaviour-nothing}\n",
		"CRDs": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: xs.e2e.example}\n" +
			"spec: {group: e2e.example, scope: Namespaced, names: {kind: X, plural: xs}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}\n",
		"registrations":      "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: x}\n",
		"policies":           policyOf("behaviour.other", "true"),
		"the agent's rights": kubectl(t, "", "get", "clusterrole", "policy-agent", "-o", "yaml"),
	} {
		if _, err := shared.Kubectl(t.Context(), manifest, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, p := range agents(t)[:1] { // the agent's pods can be replaced
		kubectl(t, "", "-n", agentNamespace, "delete", "pod", p.Name, "--dry-run=server")
	}
	kubectl(t, manifest, "delete", "-f", "-")
	eventually(t, "an admission", func() error { return try(t.Context(), configMap("behaviour-nothing", "x", nil)) })
}

func testBrake(t *testing.T) {
	const name, namespace = "behaviour.denies", "behaviour-brake"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	applied(t, policyOf(name, "object.metadata.name != 'x'", "targets: {kinds: [ConfigMap], namespaces: ["+namespace+"]}"))
	const object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: " + namespace + "}\n"
	denied := func() error { return deniedBy(name, try(t.Context(), configMap(namespace, "x", nil))) }
	eventually(t, "a denial", denied)
	everywhere := func(want float64) {
		t.Helper()
		eventually(t, fmt.Sprintf("assay_brake_on %g at each replica", want), func() error {
			for _, p := range agents(t) {
				if is := metric(t, p, "assay_brake_on"); is != want {
					return fmt.Errorf("%s says %g", p.Name, is)
				}
			}
			return nil
		})
	}
	everywhere(0)
	annotate := func(annotation string) {
		t.Helper()
		kubectl(t, "", "-n", agentNamespace, "annotate", "configmap", "policy-agent-config", annotation)
	}
	annotate("pac.weave.works/brake=INC-1234: nothing works")
	begin := time.Now()
	released := false
	t.Cleanup(func() {
		if !released {
			_, err := shared.Kubectl(context.Background(), "", "-n", agentNamespace, "annotate", "configmap", "policy-agent-config", "pac.weave.works/brake-")
			if err != nil {
				t.Error(err)
			}
		}
	})
	eventually(t, "an admission", func() error { return try(t.Context(), configMap(namespace, "x", nil)) })
	t.Logf("the brake: in force after %s", time.Since(begin).Round(time.Millisecond))
	everywhere(1)
	beside, err := warned(t, object, "create", "-f", "-")
	if err != nil || !strings.Contains(beside, "Warning: emergency brake is on (INC-1234: nothing works): this would have been denied") || !strings.Contains(beside, name+" is violated") {
		t.Errorf("%v, %q, want the warnings of the brake", err, beside)
	}
	eventuallyCondition(t, "policy/"+name, "Enforcing", "False EmergencyBrake the emergency brake is on: INC-1234: nothing works")
	if is := condition(t, "policy/"+name, "Ready"); !strings.HasPrefix(is, "True ") {
		t.Errorf("Ready is %s", is)
	}
	kubectl(t, object, "delete", "-f", "-")

	annotate("pac.weave.works/brake-")
	released = true
	eventually(t, "a denial without the brake", denied)
	everywhere(0)
	eventuallyCondition(t, "policy/"+name, "Enforcing", "True Enforced")
	eventually(t, "events about the brake", func() error {
		reasons, err := shared.Kubectl(t.Context(), "", "-n", agentNamespace, "get", "events", "--field-selector", "involvedObject.name=policy-agent-config", "-o", "jsonpath={.items[*].reason}")
		if err == nil && !(strings.Contains(reasons, "EmergencyBrakeOn") && strings.Contains(reasons, "EmergencyBrakeOff")) {
			err = fmt.Errorf("there are %s", reasons)
		}
		return err
	})
}

func testBreaker(t *testing.T) {
	const name, namespace = "behaviour.slow", "behaviour-slow"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	applied(t, regoOf(name, `
package behaviour.slow
import rego.v1
violation contains result if {
  input.review.object.data.slow == "yes"
  count([1 | some i in numbers.range(1, 10000); some j in numbers.range(1, 10000); i * j == -1]) == 0
  result := {"issue_detected": true, "msg": "slow", "violating_key": "data.slow"}
}
violation contains result if {
  input.review.object.data.slow == "no"
  result := {"issue_detected": true, "msg": "quick", "violating_key": "data.slow"}
}`, "targets: {kinds: [ConfigMap], namespaces: ["+namespace+"]}"))
	slow, quick := configMap(namespace, "slow", map[string]string{"slow": "yes"}), configMap(namespace, "quick", map[string]string{"slow": "no"})
	eventually(t, "a denial", func() error { return deniedBy(name, try(t.Context(), quick)) })
	// The API server keeps its connection to one replica, and each has a breaker of its own. The first evaluations end at their deadline.
	said := try(t.Context(), slow)
	if err := deniedBy(name, said); err != nil || !strings.Contains(said.Error(), "could not be evaluated") {
		t.Fatalf("%v: %v", err, said)
	}
	eventually(t, "an open circuit at each replica", func() error {
		for _, p := range agents(t) {
			if answer, err := review(t.Context(), p, namespace, "slow", `{"slow": "yes"}`); err != nil || !strings.Contains(answer, `"allowed":true`) || !strings.Contains(answer, "suspended") {
				return fmt.Errorf("%s answers %.200s, %v", p.Name, answer, err)
			}
			if is := metric(t, p, "assay_policy_suspended", `policy="`+name+`"`, `gate="admission"`); is != 1 {
				return fmt.Errorf("%s says assay_policy_suspended %g", p.Name, is)
			}
		}
		return nil
	})
	eventuallyCondition(t, "policy/"+name, "Enforcing", "False CircuitOpen")
	eventually(t, "an event on the policy", func() error {
		events, err := shared.Kubectl(t.Context(), "", "get", "events", "-A", "--field-selector", "involvedObject.name="+name, "-o", "jsonpath={.items[*].reason}")
		if err == nil && !strings.Contains(events, "CircuitOpen") {
			err = fmt.Errorf("there are %q", events)
		}
		return err
	})
	// It comes back by itself after a pause.
	eventually(t, "a denial after a pause", func() error { return deniedBy(name, try(t.Context(), quick)) })
	eventually(t, "a closed circuit at each replica", func() error {
		for _, p := range agents(t) {
			if answer, err := review(t.Context(), p, namespace, "quick", `{"slow": "no"}`); err != nil || !strings.Contains(answer, `"allowed":false`) {
				return fmt.Errorf("%s answers %.200s, %v", p.Name, answer, err)
			}
		}
		return nil
	})
	eventuallyCondition(t, "policy/"+name, "Enforcing", "True Enforced")
}

// review asks one replica about the creation of a ConfigMap.
func review(ctx context.Context, pod cluster.Pod, namespace, name, data string) (string, error) {
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","namespace":%[1]q,"name":%[2]q,"dryRun":true,
"kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},"userInfo":{"username":"e2e"},
"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%[2]q,"namespace":%[1]q},"data":%[3]s}}}`, namespace, name, data)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+pod.Address("webhook")+"/admission/fail", bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // its certificate is for the Service
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return string(answer), err
}

func testCertificate(t *testing.T) {
	const name, namespace, secretName = "behaviour.certified", "behaviour-certificate", "policy-agent-cert"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	applied(t, policyOf(name, "object.metadata.name != 'x'", "targets: {kinds: [ConfigMap], namespaces: ["+namespace+"]}"))
	eventually(t, "a denial", func() error { return deniedBy(name, try(t.Context(), configMap(namespace, "x", nil))) })

	// Every request is answered, whatever happens to the certificate.
	asking, end := context.WithCancel(t.Context())
	var asked sync.WaitGroup
	requests, wrong := 0, []error{}
	asked.Go(func() {
		for asking.Err() == nil {
			if err := deniedBy(name, try(asking, configMap(namespace, "x", nil))); err != nil && asking.Err() == nil {
				wrong = append(wrong, err)
			}
			requests++
		}
	})
	defer func() {
		end()
		asked.Wait()
		t.Logf("%d requests, %d of them answered wrongly", requests, len(wrong))
		if len(wrong) > 0 {
			t.Errorf("requests failed, the first: %v", wrong[0])
		}
	}()

	secrets := shared.Client.CoreV1().Secrets(agentNamespace)
	read := func() *corev1.Secret {
		s, err := secrets.Get(t.Context(), secretName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := read()
	if err := secrets.Delete(t.Context(), secretName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Secret again", func() error {
		s, err := secrets.Get(t.Context(), secretName, metav1.GetOptions{})
		if err == nil && s.UID == first.UID {
			err = errors.New("it is the old one")
		}
		return err
	})
	eventually(t, "a certificate that is new, and served by each replica", func() error {
		s, err := secrets.Get(t.Context(), secretName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if bytes.Equal(s.Data[corev1.TLSCertKey], first.Data[corev1.TLSCertKey]) {
			return errors.New("it is the old one")
		}
		return served(t, s)
	})

	ruined := read()
	certificate, key := expired(t)
	ruined.Data = map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key, "ca.crt": certificate}
	if _, err := secrets.Update(t.Context(), ruined, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a certificate that is valid, and served by each replica", func() error {
		s, err := secrets.Get(t.Context(), secretName, metav1.GetOptions{})
		if err == nil && bytes.Equal(s.Data[corev1.TLSCertKey], certificate) {
			err = errors.New("it is the expired one")
		}
		if err != nil {
			return err
		}
		return served(t, s)
	})
}

// served is nil when each replica serves the certificate of the Secret, which is valid for the Service and trusted by the registration.
func served(t *testing.T, secret *corev1.Secret) error {
	t.Helper()
	block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
	if block == nil {
		return errors.New("the Secret holds no certificate")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	registration, err := shared.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), "policy-agent", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, webhook := range registration.Webhooks {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(webhook.ClientConfig.CABundle)
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "policy-agent." + agentNamespace + ".svc", Roots: roots}); err != nil {
			return fmt.Errorf("%s: %w", webhook.Name, err)
		}
	}
	for _, p := range agents(t) {
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is compared
		connection, err := dialer.DialContext(t.Context(), "tcp", p.Address("webhook"))
		if err != nil {
			return err
		}
		is := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
		connection.Close()
		if !is.Equal(leaf) {
			return fmt.Errorf("%s serves another certificate", p.Name)
		}
	}
	return nil
}

// expired is a certificate for the Service that ended an hour ago, and its key.
func expired(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"policy-agent." + agentNamespace + ".svc"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}
