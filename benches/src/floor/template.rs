//! Bodies like the operator's: taken from objects that it wrote, with holes where customers and tokens differ.

use serde_json::{Value, json};

use crate::Result;

/// What differs from one body to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hole {
    /// The tenant's namespace.
    Namespace,
    /// The tenant's name.
    Name,
    /// The tenant's UID.
    Uid,
    /// The tenant's version, as it was read.
    Version,
    /// The label that follows from the UID.
    Bucket,
    /// The annotation that follows from the customer's id.
    MintInputs,
    /// The customer's id, in base64.
    Tenant64,
    /// The Secret's UID.
    SecretUid,
    /// The Secret's version, as it was read.
    SecretVersion,
    /// The version that the Secret's write gave.
    WrittenVersion,
    /// The annotation that follows from the keys.
    Digest,
    /// When the token came.
    Issued,
    /// When it expires.
    Expires,
    /// When it is due again.
    Refresh,
    /// Its expiry, in base64.
    Expires64,
    /// The token, in base64.
    Token64,
    /// `Bearer …`, in base64.
    Authorization64,
}

const HOLES: [Hole; 17] = [
    Hole::Namespace,
    Hole::Name,
    Hole::Uid,
    Hole::Version,
    Hole::Bucket,
    Hole::MintInputs,
    Hole::Tenant64,
    Hole::SecretUid,
    Hole::SecretVersion,
    Hole::WrittenVersion,
    Hole::Digest,
    Hole::Issued,
    Hole::Expires,
    Hole::Refresh,
    Hole::Expires64,
    Hole::Token64,
    Hole::Authorization64,
];

impl Hole {
    fn mark(self) -> String {
        format!("<<{self:?}>>")
    }
}

/// A text with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Text, and the hole after it.
    parts: Vec<(String, Hole)>,
    end: String,
}

impl Template {
    fn of(value: &Value) -> Self {
        let text = value.to_string();
        let mut rest = text.as_str();
        let mut parts = Vec::new();
        while let Some((at, hole)) = HOLES
            .iter()
            .filter_map(|hole| Some((rest.find(&hole.mark())?, *hole)))
            .min_by_key(|(at, _)| *at)
        {
            parts.push((rest[..at].to_owned(), hole));
            rest = &rest[at + hole.mark().len()..];
        }
        Self {
            parts,
            end: rest.to_owned(),
        }
    }

    /// The text with every hole filled.
    pub fn fill<'a>(&'a self, value: impl Fn(Hole) -> &'a str) -> String {
        let length = |(text, hole): &(String, Hole)| text.len() + value(*hole).len();
        let length = self.parts.iter().map(length).sum::<usize>() + self.end.len();
        let mut filled = String::with_capacity(length);
        for (text, hole) in &self.parts {
            filled.push_str(text);
            filled.push_str(value(*hole));
        }
        filled.push_str(&self.end);
        filled
    }
}

/// The three bodies.
#[derive(Debug, Clone)]
pub struct Templates {
    /// A Secret that is created.
    pub create: Template,
    /// A Secret that is patched.
    pub patch: Template,
    /// A status that is put.
    pub status: Template,
}

impl Templates {
    /// From a Secret and a tenant that the operator wrote.
    pub fn of(secret: &Value, tenant: &Value) -> Result<Self> {
        let mut labels = secret["metadata"]["labels"].clone();
        fill(&mut labels, "defendertenant.io/bucket", Hole::Bucket)?;
        let mut annotations = secret["metadata"]["annotations"].clone();
        for (name, hole) in [
            ("owner-uid", Hole::Uid),
            ("mint-inputs", Hole::MintInputs),
            ("digest", Hole::Digest),
            ("issued-at", Hole::Issued),
            ("expires-at", Hole::Expires),
            ("refresh-at", Hole::Refresh),
        ] {
            fill(&mut annotations, &format!("defendertenant.io/{name}"), hole)?;
        }
        let mut data = secret["data"].clone();
        for (name, hole) in [
            ("token", Hole::Token64),
            ("authorization", Hole::Authorization64),
            ("expires-on", Hole::Expires64),
            ("tenant-id", Hole::Tenant64),
        ] {
            fill(&mut data, name, hole)?;
        }
        let mut owner = secret["metadata"]["ownerReferences"][0].clone();
        fill(&mut owner, "uid", Hole::Uid)?;
        fill(&mut owner, "name", Hole::Name)?;
        let target = format!("{}-defender-token", Hole::Name.mark());
        let create = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {
                "name": target, "namespace": Hole::Namespace.mark(), "labels": labels, "annotations": annotations,
                "ownerReferences": [owner],
            },
            "data": data,
        });
        // The operator names the keys that it doesn't want, too.
        for name in ["header", "json", "env"] {
            data[name] = Value::Null;
        }
        let patch = json!({
            "metadata": {
                "uid": Hole::SecretUid.mark(), "resourceVersion": Hole::SecretVersion.mark(),
                "labels": labels, "annotations": annotations,
            },
            "data": data,
        });
        let mut status = tenant["status"].clone();
        fill(&mut status["token"], "issuedAt", Hole::Issued)?;
        fill(&mut status["token"], "expiresAt", Hole::Expires)?;
        fill(&mut status["token"], "refreshAt", Hole::Refresh)?;
        fill(
            &mut status["target"],
            "resourceVersion",
            Hole::WrittenVersion,
        )?;
        status["target"]["name"] = json!(target);
        let put = json!({
            "apiVersion": tenant["apiVersion"], "kind": tenant["kind"],
            "metadata": {
                "name": Hole::Name.mark(), "namespace": Hole::Namespace.mark(),
                "uid": Hole::Uid.mark(), "resourceVersion": Hole::Version.mark(),
            },
            "status": status,
        });
        Ok(Self {
            create: Template::of(&create),
            patch: Template::of(&patch),
            status: Template::of(&put),
        })
    }
}

/// Makes a hole of a key, which must be there: the operator's objects are the measure.
fn fill(object: &mut Value, key: &str, hole: Hole) -> Result<()> {
    let value = object.get_mut(key).filter(|value| value.is_string());
    *value.ok_or_else(|| format!("the operator writes no {key} any more"))? = json!(hole.mark());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_in_their_order_as_often_as_they_come() {
        let value = json!({"a": Hole::Name.mark(), "b": Hole::Uid.mark(), "c": format!("{}-x", Hole::Name.mark())});
        let template = Template::of(&value);
        let filled = template.fill(|hole| match hole {
            Hole::Name => "n",
            Hole::Uid => "u",
            _ => "?",
        });
        assert_eq!(filled, r#"{"a":"n","b":"u","c":"n-x"}"#);
    }

    #[test]
    fn an_object_of_another_shape_is_no_model() {
        let secret = json!({"metadata": {"labels": {}, "annotations": {}}});
        let error = Templates::of(&secret, &json!({})).unwrap_err().to_string();
        assert_eq!(
            error,
            "the operator writes no defendertenant.io/bucket any more"
        );
    }
}
