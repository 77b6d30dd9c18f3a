// Package webhook is the sink that sends results to any HTTP server.
//
// A request is a POST of {"results": […]}, each element a sink.Result. It is signed as the Standard Webhooks specification
// says (https://www.standardwebhooks.com), whose libraries receivers can use: webhook-id, webhook-timestamp in seconds, and
// webhook-signature, "v1," and the base64 of the HMAC-SHA256 of id.timestamp.body, one for each secret, separated by spaces.
//
// An answer in the 200s means that the server has all results of the request. 400, 413 and 422 refuse it; the results are
// then sent in halves until those that are refused are found, so a server must take all of a request or nothing. Every
// other answer, redirects too, means: later, all of them. Retry-After is heeded. Delivery is at least once: a receiver
// tells results apart by validation.id.
package webhook
