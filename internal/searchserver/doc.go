// Package searchserver speaks plain HTTP to Elasticsearch and OpenSearch: credentials, certificates, and what their errors mean. The official
// clients refuse each other's servers, and what is asked of them here is the same in both products and all their versions of the last years.
package searchserver
