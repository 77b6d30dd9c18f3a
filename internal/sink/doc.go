// Package sink takes results from the journal to where people look for them. It has what every sink has; each destination
// is a package below it that implements Sink.
//
// Gates write a Result to the journal. A Runner reads it at its own cursor, leaves out what its Filter does not want, hands
// batches to its Sink, tries again what could not be delivered, for as long as it takes, and writes what the destination
// refuses to a file of dead letters. Delivery is at least once: a result may come twice, with the same ID, when the process
// died between delivering it and noting that.
package sink
