package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// testRoom runs those tests of a package of Assay that need a cluster: what they test is not the agent as a whole, which has
// tests here, and this module does not link Assay.
func testRoom(t *testing.T, folder, tests string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "test", "./"+folder, "-run", tests, "-count=1", "-v")
	command.Dir = ".."
	command.Env = append(os.Environ(), "ASSAY_TEST_KUBECONFIG="+shared.Kubeconfig)
	out, err := command.CombinedOutput()
	if err != nil || strings.Contains(string(out), "--- SKIP") || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestPolicyReportsAreWritten(t *testing.T) {
	testRoom(t, "internal/sink/policyreport", "InACluster|WhateverTheAPIServerDoes")
}

func TestAuditKnowsTheLifeOfFindings(t *testing.T) {
	testRoom(t, "internal/gate/audit", "^TestAudit$")
}

func TestEventsAreWritten(t *testing.T) {
	testRoom(t, "internal/sink/events", "^TestCluster")
}

func TestSurveysOfAClusterFindWhatIsWrong(t *testing.T) {
	testRoom(t, "internal/gate/survey", "Cluster")
}

func TestTheHubAsksTheClusterWhoSomebodyIs(t *testing.T) {
	testRoom(t, "internal/hub/auth", "^TestCluster")
}

func TestTheHubReadsTheCluster(t *testing.T) {
	testRoom(t, "internal/hub/live", "^TestCluster")
}

func TestTheHubReadsTheEventsOfOldAgents(t *testing.T) {
	testRoom(t, "internal/hub/events", "^TestCluster")
}
