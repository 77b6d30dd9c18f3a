// Package helm renders charts as `helm template --include-crds` does, without a cluster and without a network, into objects
// that know which line of which template they come from.
//
// Helm's own code loads charts, merges values, resolves dependencies and prepares what templates see. The templates
// themselves are run here, for two things that Helm's engine does not offer: every piece of the output keeps the node of
// the template that wrote it, and a template that never ends, or never stops to write, is stopped. A test holds the
// output against that of Helm's engine.
//
// What differs from Helm on purpose: a chart with a fault is not given up as a whole. The fault is a problem, and what can be
// rendered without it still is.
//
// The file of a location is the template, relative to the root. In a packaged chart it is the path of the archive, then
// "!/", then the path inside, as in charts/redis-1.2.3.tgz!/templates/service.yaml.
package helm
