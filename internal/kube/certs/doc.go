// Package certs keeps the certificate that the webhooks are served with, made by the agent itself ([Self]) or by somebody
// else in files ([Files]). Both are a [Source].
//
// # Certificates made by the agent
//
// All replicas share one Secret. Each certificate is signed by a certificate authority of its own, whose private key is
// thrown away once it has signed: there is no key lying around that could sign another one, and nothing of the authority
// has to be rotated. What the API server must trust is therefore a bundle of several authorities, each good for one
// certificate and until that one expires.
//
// An API server that meets a certificate before it knows its authority fails every request that it should have asked
// about. So a new certificate goes through the Secret twice:
//
//  1. [Self.Ensure] writes it beside the current one, as next.crt and next.key, and its authority into the bundle, ca.crt.
//     All replicas load both and go on serving the current one.
//  2. The registration carries the bundle to the API servers. When it has for a while, so that each of them has seen
//     it, [Self.Promote] moves the next certificate to tls.crt and tls.key. Replicas change to it when their watch tells
//     them. One that has not heard yet serves the old certificate, which is still trusted: its authority stays in the
//     bundle until it expires.
//
// Only where the current certificate cannot work anyway (it expired, lost its key, lacks a name) a new one is served at
// once. A Secret that somebody deletes or ruins is written again from memory with a next certificate beside: deleting
// it is the way to ask for a new certificate, and costs no request.
package certs
