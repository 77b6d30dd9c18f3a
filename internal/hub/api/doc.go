// Package api is the hub's HTTP API: agents send results to it, readers ask what was found.
//
// Its document, OpenAPI 3.1, comes from the Go types of what is taken and answered. Each operation says who may use it; what a reader is
// answered goes through the scope that package auth says, and only through that.
package api

//go:generate go test -run ^TestTheDocumentOfTheUIIsCurrent$ -update .
