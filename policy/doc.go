// Package policy holds the domain's words: the object that is judged, the request that brings it, the result and its
// occurrences, and where something was written. It imports no Kubernetes client and does no I/O.
package policy
