// Package fluxrevision knows which revision of its source each Flux application is at, so that a finding can be traced to the change
// that brought it.
//
// It follows Kustomizations, HelmReleases and HelmCharts and keeps of each no more than its revisions. Asking is a look into a map:
// nothing is read from the API server for it. kustomize-controller writes the revision that it attempts to an application's
// status before it applies anything, so admission knows it. Where Flux is not installed or may not be read, nothing is known.
//
// A revision is a Git one (main@sha1:…) where Flux knows one, be it through an OCI artifact that says what it was made from or a
// HelmChart that is built from a Git source. Otherwise it is what Flux has instead: an OCI digest, or a chart's version.
package fluxrevision
