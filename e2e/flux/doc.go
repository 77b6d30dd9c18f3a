// Package flux runs Flux beside a cluster: source-, kustomize-, helm- and notification-controller, built from their own modules
// (controllers/go.mod) with the CRDs that they carry, as processes with the rights that Flux's installation gives them.
//
// What is different from an installation: there is no leader election, and controllers reach each other on loopback. In front
// of notification-controller stands what a Service is: it takes connections only while the controller is ready. That matters,
// since the controller answers "accepted" to events before it knows any Alert, and forgets them.
package flux
