// Package registration keeps the webhooks of the agent registered with the API server, for exactly the resources that the
// policies target. [Build] says what is to be registered, from the policies and what the cluster can do; a [Registrar]
// discovers that and writes it.
//
// Rules name all versions of a resource. The API server then sends objects in the version in which they were written, so a
// policy sees at admission what it sees in the file; a version that the cluster learns or forgets leaves no gap, and no
// conversion that fails stands between the agent and the object. The match policy is Equivalent nevertheless: where
// one resource is served by two groups, a policy that names one of them is asked about the other as well. The
// API server calls a webhook once for a request, however many of its rules match.
package registration
