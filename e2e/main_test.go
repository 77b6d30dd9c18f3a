package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// shared is the cluster of all tests of the package.
var shared *cluster.Cluster

func TestMain(m *testing.M) {
	if os.Getenv(standInVariable) != "" {
		if err := standIn(); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(func() int {
		// Not the tests' own folders: their paths are too long for Unix sockets.
		dir, err := os.MkdirTemp("", "assay-e2e-")
		if err == nil {
			defer os.RemoveAll(dir)
			shared, err = cluster.Start(context.Background(), dir)
		}
		if err == nil {
			err = install()
		}
		if err != nil {
			if shared != nil {
				err = errors.Join(err, shared.Stop())
			}
			fmt.Fprintln(os.Stderr, "starting the cluster:", err)
			return 1
		}
		code := m.Run()
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the cluster:", err)
			return 1
		}
		return code
	}())
}

// install installs the CRDs as a user would.
func install() error {
	ctx := context.Background()
	if _, err := shared.Kubectl(ctx, "", "apply", "--server-side", "-f", "../api/v2/crds"); err != nil {
		return err
	}
	_, err := shared.Kubectl(ctx, "", "wait", "--for", "condition=Established", "--timeout", "60s", "crd",
		"policies.pac.weave.works", "policysets.pac.weave.works", "policyconfigs.pac.weave.works", "policyexceptions.pac.weave.works")
	return err
}

// deadline bounds what tests wait for: it says that something will not happen, never that it was slow.
const deadline = 2 * time.Minute

// eventually asks until there is no error.
func eventually(t testing.TB, what string, ask func() error) {
	t.Helper()
	within(t, deadline, what, ask)
}

// within asks until there is no error, for as long as what takes more than the usual may take.
func within(t testing.TB, limit time.Duration, what string, ask func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) || t.Context().Err() != nil {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// explain logs what became of a namespace's pods when the test has failed.
func explain(t testing.TB, namespace string) {
	t.Helper()
	if !t.Failed() {
		return
	}
	out, err := shared.Kubectl(context.Background(), "", "-n", namespace, "get", "pods,jobs,replicasets,events", "-o", `custom-columns=KIND:.kind,NAME:.metadata.name,PHASE:.status.phase,STATUS:.status.message,REASON:.reason,MESSAGE:.message`)
	t.Log(out, err)
	for _, p := range shared.Pods(namespace, nil) {
		log, err := p.Log()
		t.Log(p.Name, err, log[max(0, len(log)-6000):])
	}
}

// cleanUp runs kubectl when the test is over, after its context.
func cleanUp(t testing.TB, args ...string) {
	t.Helper()
	t.Cleanup(func() {
		if _, err := shared.Kubectl(context.Background(), "", args...); err != nil {
			t.Error(err)
		}
	})
}
