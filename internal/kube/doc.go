// Package kube and the packages below it are the cluster's side of the webhooks: certificates, registration, what
// resources there are, and their objects.
package kube
