package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/release"
)

// soakVariable names how long the soak lasts; soakDefault when it is not set.
const (
	soakVariable = "ASSAY_SOAK"
	soakDefault  = time.Minute
)

// testForLong holds what only shows after a while: certificates that are so short-lived that they are renewed again and again, and
// memory. It begins with an upgrade under load.
func testForLong(t *testing.T, releases release.Releases, values map[string]any) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	l := startLoad(t)
	l.more(t, 50)
	values["config"].(map[string]any)["admission"] = map[string]any{"webhook": map[string]any{"certificateValidity": "1m"}}
	if err := releases.Upgrade(t.Context(), values); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "-n", agentNamespace, "rollout", "status", "deployment/policy-agent", "--timeout", "3m")
	eventually(t, "only the new pods", func() error {
		if n := len(shared.Pods(agentNamespace, nil)); n != 2 {
			return fmt.Errorf("%d pods", n)
		}
		return nil
	})
	t.Run("together", func(t *testing.T) {
		t.Run("certificates of a minute", func(t *testing.T) {
			t.Parallel()
			testRotations(t)
		})
		t.Run("memory", func(t *testing.T) {
			t.Parallel()
			testSoak(t)
		})
	})
	l.end(t, none)
}

// rotations is how many certificates must follow each other.
const rotations = 2

func testRotations(t *testing.T) {
	secrets := shared.Client.CoreV1().Secrets(agentNamespace)
	leaf := func() (*corev1.Secret, *x509.Certificate, error) {
		secret, err := secrets.Get(t.Context(), "policy-agent-cert", metav1.GetOptions{})
		if err != nil {
			return nil, nil, err
		}
		block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
		if block == nil {
			return nil, nil, errors.New("the Secret holds no certificate")
		}
		is, err := x509.ParseCertificate(block.Bytes)
		return secret, is, err
	}
	_, last, err := leaf()
	if err != nil {
		t.Fatal(err)
	}
	service := kubectl(t, "", "-n", agentNamespace, "get", "service", "policy-agent", "-o", "jsonpath={.spec.clusterIP}") + ":443"
	connections := shared.Connections(service)
	// The first one is from before, and lasts for months.
	if err := secrets.Delete(t.Context(), "policy-agent-cert", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range 1 + rotations {
		eventually(t, "another certificate, served by each replica", func() error {
			secret, is, err := leaf()
			switch {
			case err != nil:
				return err
			case is.Equal(last):
				return fmt.Errorf("it is the one before, which ends at %s", is.NotAfter)
			}
			if err := served(t, secret); err != nil {
				return err
			}
			if left := time.Until(last.NotAfter); i > 0 {
				t.Logf("replaced %s before it ended", left.Round(time.Second))
			}
			last = is
			return nil
		})
		if left := time.Until(last.NotAfter); left > time.Minute {
			t.Errorf("the new certificate is valid for %s", left)
		}
	}
	// The load has only seen what the API server has: it looks at certificates when it connects, which it does for each new bundle.
	connections = shared.Connections(service) - connections
	t.Logf("the API server connected %d times meanwhile", connections)
	if connections < rotations {
		t.Errorf("the API server connected only %d times", connections)
	}
}

// flat is what one replica took in a part of the soak, at the least: garbage comes and goes, what is kept stays.
type flat struct{ heap, goroutines float64 }

// testSoak sends mixed requests straight to one replica and compares what it holds in the last third of
// the time with the first.
func testSoak(t *testing.T) {
	length := soakDefault
	if set := os.Getenv(soakVariable); set != "" {
		var err error
		if length, err = time.ParseDuration(set); err != nil {
			t.Fatalf("%s: %v", soakVariable, err)
		}
	}
	pod := agents(t)[0]
	pid := pod.PID()
	var asked, wrong atomic.Int64
	var lastWrong atomic.Value
	var all sync.WaitGroup
	end := time.Now().Add(length)
	for worker := range 4 {
		all.Go(func() {
			s := newSoaker(pod)
			defer s.kept.CloseIdleConnections()
			for i := worker; time.Now().Before(end) && t.Context().Err() == nil; i++ {
				if err := s.ask(i); err != nil {
					wrong.Add(1)
					lastWrong.Store(err.Error())
				}
				asked.Add(1)
				pauseFor(t.Context(), 5*time.Millisecond)
			}
		})
	}
	third := func(until time.Time) flat {
		least := flat{math.Inf(1), math.Inf(1)}
		for samples := 0; samples == 0 || time.Now().Before(until); samples++ {
			least.heap = min(least.heap, metric(t, pod, "go_memstats_heap_alloc_bytes")/(1<<20))
			least.goroutines = min(least.goroutines, metric(t, pod, "go_goroutines"))
			pauseFor(t.Context(), 50*time.Millisecond)
		}
		return least
	}
	begin := end.Add(-length)
	first := third(begin.Add(length / 3))
	third(begin.Add(length / 3 * 2))
	last := third(end)
	all.Wait()
	t.Logf("%d requests in %s; heap %.1f MB, then %.1f MB; goroutines %g, then %g; the agent takes %.0f MB", asked.Load(), length,
		first.heap, last.heap, first.goroutines, last.goroutines, memory(t, pid, "VmRSS"))
	if n := wrong.Load(); n != 0 {
		t.Errorf("%d wrong answers, the last: %v", n, lastWrong.Load())
	}
	if last.heap > 1.5*first.heap+10 {
		t.Errorf("the heap grew from %.1f MB to %.1f MB", first.heap, last.heap)
	}
	if last.goroutines > first.goroutines+50 {
		t.Errorf("goroutines grew from %g to %g", first.goroutines, last.goroutines)
	}
}

// soaker asks one replica one thing after another.
type soaker struct {
	pod  cluster.Pod
	kept *http.Client
}

func newSoaker(pod cluster.Pod) *soaker {
	return &soaker{pod: pod, kept: &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}} //nolint:gosec // its certificate is for the Service
}

// ask asks the i-th question: what is good and bad, new and changed and gone, of objects each with another name, some of them large,
// and now and then rubbish or by a connection of its own. An error says what was wrong with the answer.
func (s *soaker) ask(i int) error {
	client := s.kept
	if i%50 == 7 {
		client = newSoaker(s.pod).kept
		defer client.CloseIdleConnections()
	}
	if i%50 == 13 {
		_, code, err := s.post(client, "/admission/fail", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":`)
		if err == nil && code != http.StatusBadRequest {
			err = fmt.Errorf("rubbish: %d", code)
		}
		return err
	}
	bad, allowed := i%3 == 0, `"allowed":true`
	data := `{"is":"good"}`
	if bad {
		data, allowed = `{"is":"bad"}`, `"allowed":false`
	}
	if i%20 == 5 {
		data = strings.Replace(data, "{", `{"large":"`+strings.Repeat("x", 200<<10)+`",`, 1)
	}
	object := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x%d","namespace":"guarded"},"data":%s}`, i, data)
	operation, old := "CREATE", "null"
	switch i % 10 {
	case 1, 4:
		operation, old = "UPDATE", object
	case 8: // policies judge deletions only when they ask for them
		operation, old, object, allowed = "DELETE", object, "null", `"allowed":true`
	}
	answer, code, err := s.post(client, "/admission/fail", fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"%[1]d","operation":%[2]q,"namespace":"guarded","name":"x%[1]d",
"kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},"userInfo":{"username":"e2e"},"object":%[3]s,"oldObject":%[4]s}}`, i, operation, object, old))
	if err == nil && (code != http.StatusOK || !strings.Contains(answer, allowed)) {
		err = fmt.Errorf("%s of %.100s: %d %.1000s", operation, object, code, answer)
	}
	return err
}

func (s *soaker) post(client *http.Client, path, body string) (answer string, code int, err error) {
	response, err := client.Post("https://"+s.pod.Address("webhook")+path, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return string(content), response.StatusCode, err
}
