// Package admission is the gate at the cluster's door: the handlers of the validating and of the mutating webhook. They are
// plain HTTP handlers over a snapshot and know no cluster; what they need of one is in Options.
//
// A question can be answered in three ways, and which of them is chosen decides whether Assay can be the reason of an
// outage:
//
//   - a review that allows, perhaps with warnings;
//   - a review that refuses: the request is lost whatever failurePolicy the webhook is registered with. Only an enforced
//     policy does that, and the webhook for policies that fail closed when not all of them could be judged in time;
//   - an HTTP error, where the gate itself failed: no policies yet, the namespace cannot be read, a bug. The API server then
//     does what failurePolicy says, and shows the sentence that is in the body (a metav1.Status).
//
// controller-runtime's webhook handler has no third way: it answers every error by a review that refuses. That is why the
// reviews are read and written here.
package admission
