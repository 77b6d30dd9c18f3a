// Package kubetest gives tests the cluster that they need. The end-to-end tests start one and run them; for a person,
// `make cluster` starts one.
package kubetest

import (
	"os"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Variable names the kubeconfig of a cluster whose administrator may do everything, with the CRDs in it.
const Variable = "ASSAY_TEST_KUBECONFIG"

// Config reaches the cluster, as fast as it answers. Without one the test is skipped; the end-to-end tests fail when one is.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	file := os.Getenv(Variable)
	if file == "" {
		t.Skip("needs a cluster: " + Variable + " names no kubeconfig")
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	return config
}
