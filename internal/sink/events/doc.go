// Package events writes results as Kubernetes Events (core/v1) as the Weave Policy Agent did, and reads such events again.
//
// The contract is that agent's: labels, annotations, reasons and references, so that what people have built on its events
// goes on working. What was wrong with them is not: an event of the first kind is lost when its annotations are too big,
// its namespace is missing or the API server is busy, and shows passwords to whoever may read events. Everything the contract
// lacks is in annotations that begin with pac.weave.works/.
package events
