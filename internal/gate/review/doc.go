// Package review reads admission reviews from anybody who reaches the port, and writes the answers. What could not be judged
// is answered by an HTTP status and not by a review that refuses: the API server then does what the webhook's failurePolicy
// says (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response).
package review
