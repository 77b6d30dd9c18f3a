// Package store keeps what agents found and answers questions about it.
//
// Three things are kept. A result is what a gate said once; its ID makes taking it again harmless. A violation is what results of one
// gate about one object and one policy of one cluster come to: when it was first and last seen, whether it is open, and the newest
// document. A history is the results of a violation, in the order of their times.
//
// What a violation's status is follows from its newest result:
//
//	audit      opened, changed or unchanged: open; resolved: resolved, with the reason; excepted: excepted
//	other gates   refused: resolved ("denied": it never came to be); warned about: open; excepted: excepted; compliant: resolved
//
// A violation of admission that was warned about is resolved as well when audit says so of the same object and policy.
// Results come late and out of order: an older result than the newest adds to the history and changes no status.
package store
