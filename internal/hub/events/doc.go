// Package events reads the Kubernetes events of the Weave Policy Agent in the hub's own cluster and keeps what they say, so that it
// is there when the events are gone, which is after an hour.
//
// Events are no safe source: whoever may create events in a namespace, as those with Kubernetes' role edit may, can write one that
// looks like the agent's. What they say is believed of objects in their own namespace, and of others only where the event is about a
// Flux object, as the contract has it.
//
// Reading an event again does no harm, since its result has the same ID. So nothing is remembered between two runs: each begins with a
// list of the events that there are.
package events
