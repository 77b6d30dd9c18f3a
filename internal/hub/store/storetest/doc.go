// Package storetest is what every store.Store must do.
package storetest
