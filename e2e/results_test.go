package e2e

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// receiver is a server for results that misbehaves when it is told to. It takes all of a request or nothing.
type receiver struct {
	*httptest.Server
	secret string

	mu       sync.Mutex
	fault    string
	requests int
	// got counts what was taken, by the name of the object and the result's id.
	got map[string]map[string]int
	// wrong is what should never arrive.
	wrong []string
}

// refused is the name of the object whose results the receiver refuses for good.
const refused = "refused"

func newReceiver(t *testing.T) *receiver {
	r := &receiver{secret: "a secret of the test", got: map[string]map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

// misbehave sets the fault and waits until as many requests have met it.
func (r *receiver) misbehave(t *testing.T, fault string, requests int) {
	t.Helper()
	r.mu.Lock()
	before := r.requests
	r.fault = fault
	r.mu.Unlock()
	// Between two attempts the agent pauses for up to a minute and a half.
	within(t, 4*deadline, "requests that meet the fault: "+fault, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.requests < before+requests {
			return fmt.Errorf("%d of %d", r.requests-before, requests)
		}
		return nil
	})
}

func (r *receiver) serve(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	r.mu.Lock()
	r.requests++
	fault, odd := r.fault, r.requests%2 == 1
	r.mu.Unlock()
	if err != nil {
		return
	}
	switch {
	case fault == "down" || fault == "flapping" && odd:
		panic(http.ErrAbortHandler)
	case fault == "busy":
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case fault == "slow":
		select {
		case <-time.After(10 * time.Second):
		case <-request.Context().Done():
			return
		}
	}
	code := r.take(request.Header, body)
	if fault == "half" {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "half of an ans")
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(code)
}

func (r *receiver) take(header http.Header, body []byte) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	mac := hmac.New(sha256.New, []byte(r.secret))
	fmt.Fprintf(mac, "%s.%s.", header.Get("webhook-id"), header.Get("webhook-timestamp"))
	mac.Write(body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); header.Get("webhook-signature") != want {
		r.wrong = append(r.wrong, "the signature "+header.Get("webhook-signature"))
		return http.StatusUnauthorized
	}
	var document struct {
		Results []struct{ Validation validation }
	}
	if err := json.Unmarshal(body, &document); err != nil {
		r.wrong = append(r.wrong, err.Error())
		return http.StatusBadRequest
	}
	for _, result := range document.Results {
		if result.Validation.Entity.Name == refused {
			return http.StatusUnprocessableEntity
		}
	}
	for _, result := range document.Results {
		v := result.Validation
		if v.Policy.ID != "e2e.replicas" {
			r.wrong = append(r.wrong, "a result of "+v.Policy.ID)
		}
		count(r.got, v)
	}
	return http.StatusOK
}

// validation is what the test reads of a result.
type validation struct {
	ID     string
	Policy struct{ ID string }
	Entity struct{ Name string }
}

func count(in map[string]map[string]int, v validation) {
	if in[v.Entity.Name] == nil {
		in[v.Entity.Name] = map[string]int{}
	}
	in[v.Entity.Name][v.ID]++
}

// denials creates Deployments that the policy denies, and keeps the names of those whose denial reached the caller.
type denials struct {
	client   kubernetes.Interface
	template *appsv1.Deployment
	names    []string
	failed   int
}

func (d *denials) more(t *testing.T, prefix string, n int) {
	t.Helper()
	for i := range n {
		d.deny(t, fmt.Sprintf("%s-%d", prefix, i))
	}
}

func (d *denials) deny(t *testing.T, name string) {
	t.Helper()
	deployment := d.template.DeepCopy()
	deployment.Name = name
	_, err := d.client.AppsV1().Deployments(deployment.Namespace).Create(t.Context(), deployment, metav1.CreateOptions{})
	switch {
	case err == nil:
		t.Errorf("%s was admitted", name)
	case strings.Contains(err.Error(), "denied the request"):
		d.names = append(d.names, name)
	default:
		d.failed++ // the agent was just killed
	}
}

// check says what is missing or there too often: each denial is there with one id.
func (d *denials) check(got map[string]map[string]int) error {
	missing, again := 0, 0
	for _, name := range d.names {
		if len(got[name]) == 0 {
			missing++
		} else if len(got[name]) > 1 {
			again++
		}
	}
	if missing > 0 || again > 0 {
		return fmt.Errorf("of %d denials %d are missing and %d have several results", len(d.names), missing, again)
	}
	return nil
}

// Whatever the receiver does and when the agent is killed, each denial that a user saw arrives, once by its id.
func TestEveryResultArrives(t *testing.T) {
	r := newReceiver(t)
	kubectl(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: policy-system}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: receiver, namespace: policy-system}\nstringData: {secret: %q}\n", r.secret),
		"apply", "-f", "-")
	sinks := map[string]any{
		"filesystemSink": map[string]any{"fileName": "results.jsonl"},
		"webhookSink":    map[string]any{"url": r.URL, "secretFile": "/receiver/secret", "filter": map[string]any{"policies": []any{"e2e.rep*"}}},
	}
	uninstallAfterwards(t)
	installAgent(t, map[string]any{
		"extraVolumes":      []any{map[string]any{"name": "receiver", "secret": map[string]any{"secretName": "receiver"}}},
		"extraVolumeMounts": []any{map[string]any{"name": "receiver", "mountPath": "/receiver", "readOnly": true}},
		"config":            map[string]any{"admission": map[string]any{"sinks": sinks}},
	})
	kubectl(t, "", "apply", "-f", "testdata/guard")
	cleanUp(t, "delete", "-f", "testdata/guard")
	kubectl(t, "", "wait", "--for", "condition=Ready", "-f", "testdata/guard", "--timeout", "2m")

	config := shared.Config()
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	d := &denials{client: client, template: &appsv1.Deployment{}}
	if err := yaml.Unmarshal([]byte(guarded), d.template); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a denial", func() error {
		if _, err := shared.Kubectl(t.Context(), guarded, "create", "--dry-run=server", "-f", "-"); err == nil {
			return errors.New("admitted")
		} else if !strings.Contains(err.Error(), "denied the request") {
			return err
		}
		return nil
	})
	pods := agents(t)
	d.more(t, "healthy", 20)
	for _, fault := range []string{"down", "flapping", "busy", "half", "slow"} {
		if fault == "slow" {
			d.deny(t, refused) // not sooner: nothing of a batch with it is taken, and all denials can be in one replica's batches
		}
		// Every replica has something to deliver while the fault lasts, and is killed in the middle of it in turn.
		d.more(t, fault, 20)
		r.misbehave(t, fault, 1)
		d.more(t, fault+"-on", 20)
		if fault == "down" {
			for _, p := range pods {
				before := p.PID()
				if err := p.Kill(); err != nil {
					t.Fatal(err)
				}
				d.more(t, "killed-"+p.Name, 20)
				eventually(t, "the pod's next process", func() error {
					if pid := p.PID(); pid == 0 || pid == before || !p.Ready() {
						return errors.New("it is not ready")
					}
					return nil
				})
			}
		}
		if fault != "slow" {
			r.misbehave(t, fault, 2)
		}
	}
	r.misbehave(t, "", 1)
	d.more(t, "healed", 10)

	taken := *d // what the receiver took is all but what it refused
	taken.names = nil
	for _, name := range d.names {
		if name != refused {
			taken.names = append(taken.names, name)
		}
	}
	within(t, 4*deadline, "all results at the receiver", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		return taken.check(r.got)
	})
	eventually(t, "all results in the files", func() error {
		got := map[string]map[string]int{}
		for _, p := range pods {
			if err := readLines(filepath.Join(p.Folder("logs"), "results.jsonl"), func(line []byte) error {
				var v validation
				if err := json.Unmarshal(line, &v); err != nil {
					return err
				}
				if v.Policy.ID == "e2e.replicas" {
					count(got, v)
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return d.check(got)
	})
	buried := 0
	for _, p := range pods {
		if err := readLines(filepath.Join(p.Folder("journal"), "refused", "admission-webhook.jsonl"), func(line []byte) error {
			var letter struct {
				Result struct{ Validation validation }
			}
			err := json.Unmarshal(line, &letter)
			if letter.Result.Validation.Entity.Name == refused {
				buried++
			}
			return err
		}); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
	if buried != 1 {
		t.Errorf("%d results that were refused are in the files for them, want 1", buried)
	}
	r.mu.Lock()
	requests, twice := r.requests, 0
	for _, ids := range r.got {
		for _, times := range ids {
			twice += times - 1
		}
	}
	if len(r.wrong) > 0 {
		t.Errorf("wrong: %v", r.wrong)
	}
	r.mu.Unlock()
	t.Logf("%d denials, %d requests of users failed, %d requests of the agent, %d results arrived again with the same id", len(d.names), d.failed, requests, twice)
	if len(d.names) < 250 || twice == 0 {
		t.Errorf("%d denials and %d results that came again are too few for the faults to have been met", len(d.names), twice)
	}
	testStatus(t, r, d)
}

func readLines(path string, each func(line []byte) error) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := each(lines.Bytes()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return lines.Err()
}

// testStatus asks from outside of the cluster, while the receiver is down and when it is back.
func testStatus(t *testing.T, r *receiver, d *denials) {
	t.Helper()
	assay, err := cluster.BuildAssay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(args ...string) (string, int) {
		t.Helper()
		command := exec.CommandContext(t.Context(), assay, append([]string{"status", "--kubeconfig", shared.Kubeconfig}, args...)...)
		out, err := command.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), command.ProcessState.ExitCode()
	}
	r.misbehave(t, "down", 0)
	d.more(t, "unheard", 10)
	eventually(t, "a status that tells the trouble", func() error {
		out, code := ask()
		if code != 1 || !strings.Contains(out, "FAILING since ") || !strings.Contains(out, "admission-webhook") || !strings.Contains(out, "Emergency brake: off") {
			return fmt.Errorf("exit code %d:\n%s", code, out)
		}
		return nil
	})
	r.misbehave(t, "", 0)
	eventually(t, "a status in which all is well", func() error {
		out, code := ask("-o", "json")
		var status struct {
			Well   bool
			Agents []struct {
				Leader bool
				Sinks  []struct{ Name string }
			}
		}
		if err := json.Unmarshal([]byte(out), &status); err != nil {
			return fmt.Errorf("exit code %d: %w", code, err)
		}
		if code != 0 || !status.Well || len(status.Agents) != 2 || status.Agents[0].Leader == status.Agents[1].Leader || len(status.Agents[0].Sinks) != 2 {
			return fmt.Errorf("exit code %d:\n%s", code, out)
		}
		return nil
	})
}
