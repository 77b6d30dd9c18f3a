// Package kustomize builds kustomizations into objects that know which file set each of their fields: a patch, an entry of
// a kustomization.yaml, what a generator reads, or the base.
//
// The objects are exactly what `kustomize build` prints; that is kustomize's own work. Where a field was written is found
// out afterwards, and only when it is asked for, by going through the layers from the top overlay down to the base.
package kustomize
