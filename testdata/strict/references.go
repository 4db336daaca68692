package main

import (
	"errors"
	"fmt"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The references of objects to pods: the pods must exist and have the ports.

func (m manifests) checkService(s *corev1.Service) (err error) {
	pods := m.podsOf(&metav1.LabelSelector{MatchLabels: s.Spec.Selector})
	if pods == nil {
		return fmt.Errorf("Service %s selects no pods", s.Name)
	}
	for _, p := range s.Spec.Ports {
		if !hasPort(pods.Containers[0], p.TargetPort) {
			err = errors.Join(err, fmt.Errorf("Service %s: no container has the port %s", s.Name, p.TargetPort.String()))
		}
	}
	return err
}

// checkPolicy looks at the ports that clients may reach. Where pods of the example are let out
// to, they must be there.
func (m manifests) checkPolicy(p *networkingv1.NetworkPolicy) (err error) {
	pods := m.podsOf(&p.Spec.PodSelector)
	if pods == nil {
		return fmt.Errorf("NetworkPolicy %s selects no pods", p.Name)
	}
	for _, rule := range p.Spec.Ingress {
		for _, port := range rule.Ports {
			if !hasPort(pods.Containers[0], *port.Port) {
				err = errors.Join(err, fmt.Errorf("NetworkPolicy %s: no container has the port %s", p.Name, port.Port.String()))
			}
		}
	}
	for _, rule := range p.Spec.Egress {
		for _, peer := range rule.To {
			if peer.NamespaceSelector == nil && peer.IPBlock == nil && len(m.deployments) > 1 && m.podsOf(peer.PodSelector) == nil {
				err = errors.Join(err, fmt.Errorf("NetworkPolicy %s: egress to pods that are not there", p.Name))
			}
		}
	}
	return err
}

func (m manifests) checkMonitor(monitor *monitoringv1.PodMonitor) (err error) {
	pods := m.podsOf(&monitor.Spec.Selector)
	if pods == nil {
		return fmt.Errorf("PodMonitor %s selects no pods", monitor.Name)
	}
	for _, e := range monitor.Spec.PodMetricsEndpoints {
		if e.Port == nil || !hasPort(pods.Containers[0], intstr.FromString(*e.Port)) {
			err = errors.Join(err, fmt.Errorf("PodMonitor %s: an endpoint at a port that no container has", monitor.Name))
		}
	}
	return err
}

func hasPort(c corev1.Container, port intstr.IntOrString) bool {
	for _, p := range c.Ports {
		if p.Name == port.StrVal || p.ContainerPort == port.IntVal {
			return true
		}
	}
	return false
}

func checkProbe(c corev1.Container, p *corev1.Probe) error {
	if p != nil && (p.HTTPGet == nil || !hasPort(c, p.HTTPGet.Port)) {
		return fmt.Errorf("container %s: a probe of a port that it does not have", c.Name)
	}
	return nil
}

func checkMounts(pod corev1.PodSpec, c corev1.Container) (err error) {
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, mount := range c.VolumeMounts {
		if !volumes[mount.Name] {
			err = errors.Join(err, fmt.Errorf("container %s: mounts %s, which the pod does not have", c.Name, mount.Name))
		}
	}
	return err
}
