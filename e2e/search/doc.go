// Package search runs real search servers for tests, OpenSearch and Elasticsearch, as processes on loopback.
//
// Both publish the jars of their servers on Maven Central, and Java starts a node of one from them in a few seconds, with
// half a gigabyte of heap. What is not published there is missing: the security plugins (tests that need TLS or users put a
// proxy in front), Elasticsearch's x-pack and its GET /, index lifecycle management of either.
package search
