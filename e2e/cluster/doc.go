// Package cluster runs a real Kubernetes cluster as processes on loopback: etcd, kube-apiserver and kube-controller-manager,
// with TLS and RBAC, built from their own modules.
//
// Two parts are played by this package, because the real ones need containers: a node ([Cluster.Provide] says what
// programs it has) runs pods as processes, with their volumes, environment, ServiceAccount and probes, and a network carries
// what the API server sends to Services to the pods that are ready, as kube-proxy would. Everything between the two is
// Kubernetes' own: Deployments, Jobs, EndpointSlices, garbage collection, quotas, Pod Security.
//
// What is different from a cluster of containers: pods share the host's file system and network. So paths under a
// container's mountPaths are replaced by the folders of its volumes in arguments, environment and mounted ConfigMaps, and
// programs are told by their environment to listen on ports of the host; nobody else notices, since pods are reached
// through the network under their own addresses and ports.
package cluster
