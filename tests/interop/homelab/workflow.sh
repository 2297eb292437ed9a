#!/bin/sh
# The same work as the workflow did it: for each object `kubectl get`, then a merge patch, at the end an annotation on each.
# Needs kubectl with a kubeconfig, and every value in the environment. Values stand in arguments, which is one of the things that are wrong with it.
# With READ_BACK=1 it looks at each object again at the end, as secrettool does and the workflow did not.
set -eu

patch() { # namespace, name, stringData
  if kubectl get secret "$2" -n "$1" >/dev/null 2>&1; then
    kubectl patch secret "$2" -n "$1" --type merge -p "{\"stringData\":$3}" >/dev/null
  else
    echo "::warning::$2 does not exist yet in $1"
  fi
}

annotate() { # namespace, name
  kubectl annotate secret "$2" -n "$1" --overwrite kustomize.toolkit.fluxcd.io/reconcile=disabled >/dev/null
}

apply() { # namespace, name, stringData
  printf '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"%s","namespace":"%s"},"stringData":%s}' "$2" "$1" "$3" | kubectl apply -f - >/dev/null
}

for namespace in authentik chatto cloudflared grafana mcp-proxmox minecraft radarr stalwart tailscale transmission; do
  if kubectl get namespace "$namespace" >/dev/null 2>&1; then
    apply "$namespace" bw-auth-token "{\"token\":\"$BW_AUTH_TOKEN\"}"
  else
    echo "::warning::there is no namespace $namespace"
  fi
done

patch authentik authentik-credentials "{\"secret-key\":\"$SECRET_KEY\",\"bootstrap-email\":\"$ADMIN_EMAIL\",\"smtp-password\":\"$SMTP_PASSWORD\"}"
kubectl rollout restart deployment authentik-server -n authentik >/dev/null
patch cloudflared cloudflared-token "{\"token\":\"$TUNNEL_TOKEN\"}"
config=$(printf '{\\"proxmox\\":{\\"host\\":\\"%s\\",\\"port\\":8006,\\"verify_ssl\\":true,\\"service\\":\\"PVE\\"},\\"auth\\":{\\"user\\":\\"%s\\",\\"token_name\\":\\"%s\\",\\"token_value\\":\\"%s\\"},\\"logging\\":{\\"level\\":\\"INFO\\"}}' \
  "$PROXMOX_HOST" "${PROXMOX_TOKEN_ID%%!*}" "${PROXMOX_TOKEN_ID##*!}" "$PROXMOX_TOKEN_SECRET")
patch mcp-proxmox mcp-proxmox-secrets "{\"config.json\":\"$config\"}"
patch stalwart stalwart-secrets "{\"admin-password\":\"$MAIL_ADMIN_PASSWORD\",\"relay-password\":\"$SMTP_PASSWORD\"}"
patch tailscale operator-oauth "{\"client_id\":\"$TAILSCALE_CLIENT_ID\",\"client_secret\":\"$TAILSCALE_CLIENT_SECRET\"}"
# A merge patch never creates, and Flux never creates what git disables: so it was applied, with the secret keys alone.
apply chatto chatto-config "{\"NATS_TOKEN\":\"$NATS_TOKEN\",\"CHATTO_NATS_CLIENT_TOKEN\":\"$NATS_TOKEN\",\
\"CHATTO_COOKIE_SIGNING_SECRET\":\"$COOKIE\",\"CHATTO_SMTP_PASSWORD\":\"$SMTP_PASSWORD\"}"
patch minecraft minecraft-secrets "{\"rcon-password\":\"$RCON_PASSWORD\"}"
if kubectl get clusterissuer letsencrypt-production >/dev/null 2>&1; then
  kubectl patch clusterissuer letsencrypt-production --type merge -p "{\"spec\":{\"acme\":{\"email\":\"$ADMIN_EMAIL\"}}}" >/dev/null
fi

annotate authentik authentik-credentials
annotate cloudflared cloudflared-token
annotate mcp-proxmox mcp-proxmox-secrets
annotate stalwart stalwart-secrets
annotate tailscale operator-oauth
annotate chatto chatto-config
annotate minecraft minecraft-secrets
kubectl annotate clusterissuer letsencrypt-production --overwrite kustomize.toolkit.fluxcd.io/reconcile=disabled >/dev/null

if [ -n "${READ_BACK:-}" ]; then
  for namespace in authentik chatto cloudflared mcp-proxmox minecraft stalwart tailscale; do
    kubectl get secret bw-auth-token -n "$namespace" -o json >/dev/null
  done
  kubectl get secret authentik-credentials -n authentik -o json >/dev/null
  kubectl get secret cloudflared-token -n cloudflared -o json >/dev/null
  kubectl get secret mcp-proxmox-secrets -n mcp-proxmox -o json >/dev/null
  kubectl get secret stalwart-secrets -n stalwart -o json >/dev/null
  kubectl get secret operator-oauth -n tailscale -o json >/dev/null
  kubectl get secret chatto-config -n chatto -o json >/dev/null
  kubectl get secret minecraft-secrets -n minecraft -o json >/dev/null
  kubectl get clusterissuer letsencrypt-production -o json >/dev/null
fi
