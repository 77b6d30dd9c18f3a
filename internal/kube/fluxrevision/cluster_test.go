package fluxrevision_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/assay-gitops/assay/internal/kube/fluxrevision"
	"github.com/assay-gitops/assay/internal/kube/kubetest"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/policy"
)

// TestInAClusterWithFlux is run by e2e, which has Flux apply commits and says what is to be known: the revisions by kind, namespace
// and name of the application.
func TestInAClusterWithFlux(t *testing.T) {
	said := os.Getenv("ASSAY_TEST_FLUX_REVISIONS")
	if said == "" {
		t.Skip("needs Flux: ASSAY_TEST_FLUX_REVISIONS does not say what it has applied")
	}
	var wanted map[string]fluxrevision.Revisions
	if err := json.Unmarshal([]byte(said), &wanted); err != nil || len(wanted) == 0 {
		t.Fatal(err, said)
	}
	client, err := dynamic.NewForConfig(kubetest.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	b := fluxrevision.New(fluxrevision.Options{Reader: &objects.Reader{Client: client}, Retry: time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for name, want := range wanted {
		parts := strings.Split(name, "/")
		app := policy.App{Kind: parts[0], Namespace: parts[1], Name: parts[2]}
		for end := time.Now().Add(2 * time.Minute); b.Of(app) != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s is at %+v, want %+v", name, b.Of(app), want)
			}
		}
	}
}
