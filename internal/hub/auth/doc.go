// Package auth says who sends a request to the hub and what they may do there.
//
// Agents send results. An agent of the hub's own cluster shows a token of its ServiceAccount with the hub's audience, which the API server
// reviews; an agent of another cluster shows a token that a file registers for that cluster. The token says which cluster an agent speaks
// for, whatever else the agent says.
//
// Readers ask. They show what the API server knows them by, or a name and a password from a file. What they may see is what RBAC grants them
// on violations and workspaces, resources that exist for that only, in group pac.weave.works: in the whole cluster, which is everything in every
// cluster, or in namespaces of the hub's own cluster. Policies and what goes with them are the cluster's own resources, and so are the rights.
//
// People in a browser sign in with a name and a password, or with an identity provider (package provider), and have a session: a cookie
// with the user's name and groups, sealed (package sealed) so that nobody else can read or make one. The hub remembers only those that were
// signed out.
//
// What the API server said is believed for ten seconds. That is how long a right that was taken away may go on. A new right in another
// namespace, of somebody who has one already, may take a minute.
package auth
