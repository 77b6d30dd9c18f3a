//lint:file-ignore SA1019 these fields are deprecated, and kustomizations that people have are full of them

package kustomize

import "sigs.k8s.io/kustomize/api/types"

// The fields of a kustomization that newer ones stand for; kustomize still honours them.

func (l *layer) bases() []string                              { return l.spec.Bases }
func (l *layer) imageTags() []types.Image                     { return l.spec.ImageTags }
func (l *layer) commonLabels() map[string]string              { return l.spec.CommonLabels }
func (l *layer) strategicMerges() []types.PatchStrategicMerge { return l.spec.PatchesStrategicMerge }
func (l *layer) jsonPatches() []types.Patch                   { return l.spec.PatchesJson6902 }
