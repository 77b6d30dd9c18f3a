// Package objects reads the objects of a cluster that policies target: it finds their resources, lists them and follows their
// changes. It hands each object on as it comes and holds none, so that a cluster of any size can be read in little memory.
package objects
