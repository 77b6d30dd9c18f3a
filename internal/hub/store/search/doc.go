// Package search keeps results in OpenSearch or Elasticsearch, so that many hubs can share them.
//
// There are three indices. One has a document for each violation, with all that lists are chosen, sorted and counted by, what is known of it
// (fold.State), its newest result, and what its results count as by day. One has a document for each result, the history. One has what is
// little: clusters, policies, what clusters declared, audits.
//
// A search server has no transactions, so results are added in an order that a crash at any point leaves repairable. A result is folded into
// its violation first, on the condition that nobody else changed that meanwhile, and its ID is noted there as pending; then it is written
// to the history; only then is it acknowledged. A result that comes again and is in the history is known; one that is only pending is
// written to the history and not folded again. So nothing is lost, nothing is doubled, and hubs need not know of each other.
//
// Everything is asked with a filter of its scope, by terms and ranges: nothing that people write is a query of its own language. A text is
// found by the runs of three characters that it has (see words).
package search
