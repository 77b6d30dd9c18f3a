package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/assay-gitops/assay/e2e/flux"
)

// notification is what notification-controller sends to a generic webhook.
type notification struct {
	InvolvedObject      struct{ APIVersion, Kind, Namespace, Name string }
	Severity            string
	Reason              string
	Message             string
	Metadata            map[string]string
	ReportingController string
}

// TestFluxTellsWhatTheAgentDenied has Flux apply what a policy refuses, and be notified of it with the commit, through the agent's gate,
// journal and sink.
func TestFluxTellsWhatTheAgentDenied(t *testing.T) {
	f := startFlux(t, flux.Options{})
	git := startGit(t)
	bad, err := git.Commit(t.Context(), "shop", "one replica", map[string]string{"shop.yaml": guarded})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told []notification
	webhook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n notification
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		told = append(told, n)
	}))
	defer webhook.Close()
	uninstallAfterwards(t)
	installAgent(t, map[string]any{"config": map[string]any{"admission": map[string]any{"sinks": map[string]any{
		"fluxNotificationSink": map[string]any{"address": f.EventsAddress()},
	}}}})
	kubectl(t, "", "apply", "-f", "testdata/guard")
	cleanUp(t, "delete", "-f", "testdata/guard")
	kubectl(t, "", "wait", "--for", "condition=Ready", "-f", "testdata/guard", "--timeout", "2m")
	eventually(t, "a denial", func() error {
		if _, err := shared.Kubectl(t.Context(), guarded, "create", "--dry-run=server", "-f", "-"); err == nil {
			return errors.New("admitted")
		}
		return nil
	})

	kubectl(t, "", "create", "namespace", "fleet")
	t.Cleanup(func() { deleteFluxObjects(t, "fleet") })
	kubectl(t, strings.NewReplacer("ADDRESS", webhook.URL, "GIT", git.URL("shop")).Replace(`
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {name: chat, namespace: fleet}
spec: {type: generic, address: ADDRESS}
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: chat, namespace: fleet}
spec: {providerRef: {name: chat}, eventSources: [{kind: Kustomization, name: "*"}]}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: shop, namespace: fleet}
spec: {interval: 1h, url: GIT, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop, namespace: fleet}
spec: {interval: 1h, path: ., prune: true, sourceRef: {kind: GitRepository, name: shop}}
`), "apply", "-f", "-")

	var got notification
	eventually(t, "a notification", func() error {
		mu.Lock()
		defer mu.Unlock()
		for _, n := range told {
			if n.ReportingController == "policy-agent" && n.Metadata["policy_id"] == "e2e.replicas" {
				got = n
				return nil
			}
		}
		return fmt.Errorf("there are %+v", told)
	})
	if o := got.InvolvedObject; o.APIVersion != "kustomize.toolkit.fluxcd.io/v1" || o.Kind != "Kustomization" || o.Namespace != "fleet" || o.Name != "shop" {
		t.Errorf("it is about %+v", o)
	}
	if m := got.Metadata; m["revision"] != "main@sha1:"+bad || m["policy_id"] != "e2e.replicas" || m["object"] != "Deployment guarded/shop" ||
		m["enforce"] != "true" || !strings.Contains(m["occurrences"], "one replica is too few") || m["gate"] != "admission" {
		t.Errorf("it has %v", m)
	}
	if got.Severity != "error" || got.Reason != "PolicyViolation" || !strings.HasSuffix(got.Message, "in deployment shop (1 occurrences)") {
		t.Errorf("it is %+v", got)
	}

	// What is right is applied, and nobody hears of that policy.
	good, err := git.Commit(t.Context(), "shop", "two replicas", map[string]string{"shop.yaml": strings.Replace(guarded, "replicas: 1", "replicas: 2", 1)})
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "-n", "fleet", "annotate", "gitrepository/shop", "reconcile.fluxcd.io/requestedAt=two")
	eventually(t, "the fixed commit", func() error {
		applied, err := shared.Kubectl(t.Context(), "", "-n", "fleet", "get", "kustomization/shop", "-o", "jsonpath={.status.lastAppliedRevision}")
		if err == nil && applied != "main@sha1:"+good {
			err = fmt.Errorf("applied is %q", applied)
		}
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	for _, n := range told {
		if n.Metadata["policy_id"] == "e2e.replicas" && n.Metadata["revision"] != "main@sha1:"+bad {
			t.Errorf("also told: %+v", n)
		}
	}
}
