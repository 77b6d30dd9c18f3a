// Package store keeps what agents found and answers questions about it.
//
// Three things are kept. A result is what a gate said once; its ID makes taking it again of the same cluster harmless. A violation is
// what results of one gate about one object and one policy of one cluster come to: when it was first and last seen, whether it is
// open, and the newest document. A history is the results of a violation, in the order of their times.
//
// What a violation's status is follows from its newest result, of two at the same time the one with the greater ID (see Read):
//
//	any gate      excepted: excepted, with the exception's name
//	audit         opened, changed or unchanged: open; resolved: resolved, with the reason; compliant: resolved
//	other gates   refused: resolved ("denied": it never came to be); warned about: open; compliant: resolved
//
// A policy that failed counts as one that is violated: it refuses or warns. A violation of admission that was warned about is
// resolved as well when audit says so of the same object and policy at that time or later. Results come late and out of order: an older
// result than the newest adds to the history and changes no status.
//
// What the newest result does not say any more stays as it was known before: a finding is often resolved when only the names of
// policy and object are left, and its severity, category, standards, workspace and application are still looked for. An object that was
// only ever said to comply has no violation: nothing shows it until a result says something else.
package store
