// Package columns holds in memory what violations are chosen, sorted and counted by, and answers by looking at each of them.
//
// People combine filters freely, and every answer is bounded by what its reader may see. No set of database indexes serves all of that,
// and counters kept for each combination would be as many as the violations. Looking at a million rows of 80 bytes takes some ten
// milliseconds whatever is asked, so that is what is done. Words are kept once; a row has their numbers. A message is kept without the
// object's name in it, so that the messages of a policy are few and searching them is quick.
package columns
