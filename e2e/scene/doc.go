// Package scene is a cluster as people who look at a hub have one: teams with workspaces, applications that Flux deploys, policies that find
// something in them, exceptions of all ages, requests that were refused, and a hub with people who may see all of it, or a part.
package scene
