//! Who the server says it is: the cluster and the broker of the disks.

use super::args::{Advertised, Args};
use super::sources::Sources;
use segkit::serve::catalog::Identity;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Clients want an id of the cluster; this is no one's.
const NO_CLUSTER_ID: &str = "no-cluster-id-on-disk";
/// And one of the broker.
const NO_NODE_ID: i32 = 0;

/// What `meta.properties` of all log dirs agree upon.
///
/// # Errors
/// A sentence, when they are of different clusters.
pub fn identity(sources: &Sources, args: &Args, listen: SocketAddr) -> Result<Identity, String> {
    let mut clusters = BTreeMap::new();
    for (path, properties) in &sources.identities {
        if let Some(id) = &properties.cluster_id {
            clusters.entry(id.clone()).or_insert(path);
        }
    }
    if clusters.len() > 1 {
        let named: Vec<String> =
            clusters.iter().map(|(id, path)| format!("{id} ({})", path.display())).collect();
        return Err(format!(
            "these disks are of different clusters: {}; serve them one by one",
            named.join(", ")
        ));
    }
    let on_disk = sources.identities.iter().filter_map(|(_, properties)| properties.node_id).min();
    let Advertised { host, port } = args
        .network
        .advertise
        .clone()
        .unwrap_or_else(|| Advertised { host: listen.ip().to_string(), port: listen.port() });
    Ok(Identity {
        cluster_id: clusters.into_keys().next().unwrap_or_else(|| NO_CLUSTER_ID.to_owned()),
        node_id: args.network.node_id.or(on_disk).unwrap_or(NO_NODE_ID),
        host,
        port,
    })
}
