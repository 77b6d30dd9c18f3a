// Package e2e tests Assay against a real Kubernetes API server. It is a module of its own, because building one takes
// replacing the modules that Kubernetes is staged from.
package e2e
