// Package flux is the sink that tells Flux's notification-controller, which tells chats, webhooks and commits through its
// Alerts and Providers.
//
// Each result about an object that Flux applies is one event (event.toolkit.fluxcd.io/v1beta1) about the Kustomization or
// HelmRelease that applies it; the sink has no use for others. The controller accepts an event (202) whether or not an Alert
// wants it, and sends notifications afterwards, without trying for long: what it accepted is delivered as far as this sink
// can know.
//
// The controller keeps metadata only under keys that begin with event.toolkit.fluxcd.io/ or the group of the event's object,
// and takes what comes before the slash off. It answers 429 to an event that it had within its --rate-limit-interval (5 minutes),
// by the object, the message, and the keys <group>/revision and <group>/token. So the token says what was found: the same
// finding again is merged by the controller, as its users expect, and two findings never are, though they read alike. That
// also makes an event that is sent again after its answer was lost appear once. Such a 429, told by the limiter's headers, is
// therefore as good as an acceptance; any other means: later.
package flux
