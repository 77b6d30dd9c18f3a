// Package audit judges what runs in a cluster, for as long as it runs: when an object changes, when what verdicts depend on does, and
// all of it once in a while.
//
// An [Auditor] follows every resource that a policy targets and holds no object. Of each object it remembers a fingerprint of 40 bytes
// or so (which version was judged, by which state of the policies), and what is wrong with it: the policy and a digest of what it said.
// So a verdict is given once for each pair of an object's version and a policy's, whatever makes the auditor look again, and a
// finding can be said to be opened, changed, unchanged or resolved.
//
// What is open is kept in ConfigMaps too, so that a new leader neither opens it again nor misses what was resolved meanwhile. A result
// has an id that follows from what it says: should it be told twice all the same, it is the same result.
package audit
