"""What of the controller's files a run depends on, as words: nothing in them tells a secret."""

from collections.abc import Mapping

from installer.bundle.model import LOCK_FILE, MANIFEST_FILE
from installer.cluster_secrets import SECRET_KINDS, load_secrets
from installer.config.files import named_files
from installer.config.inventory_rules import complete_inventory
from installer.config.load import load_documents
from installer.config.source import path_text, value_at
from installer.expand import certificate_requests
from installer.inventory import Inventory
from installer.pki.store import CertificateStore
from installer.plan.fingerprint import program_word, settings_words
from installer.plan.mask import GENERATED, Mask, file_digest


def configuration_words(inventory: Inventory, mask: Mask) -> dict[str, str]:
    """Return a word for each setting, secret, certificate and file, the bundle and the program."""
    document = complete_inventory(load_documents([inventory.path]).document)
    return {
        **settings_words(document, mask),
        **_secrets(inventory, mask),
        **_certificates(inventory),
        **_brought(inventory, mask),
        **_bundle(inventory),
        "cfy_manager": program_word(),
    }


def generated_names(words: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets and certificates that a run will make."""
    return tuple(name for name, word in words.items() if word.startswith(GENERATED))


def _secrets(inventory: Inventory, mask: Mask) -> dict[str, str]:
    """Return a word for each secret of the file; those in the settings are words already."""
    known = load_secrets(inventory.secrets_path)
    lacking = {
        name: GENERATED
        for name, kind in SECRET_KINDS.items()
        if kind.make and not (kind.config_path and value_at(inventory.settings, kind.config_path))
    }
    held = {name: mask.word(f"secret {name}", secret.reveal()) for name, secret in known.items()}
    return {f"secret {name}": word for name, word in {**lacking, **held}.items()}


def _certificates(inventory: Inventory) -> dict[str, str]:
    store = CertificateStore(inventory.certificates_path)
    requests = certificate_requests(inventory)
    due = {change.path: f"{GENERATED}: {change.reason}" for change in store.pending(requests)}
    names = ["ca.crt", *(f"nodes/{r.node}/{r.name}.crt" for r in requests)]
    return {
        f"certificate {name}": due.get(name) or file_digest(store.folder / name) for name in names
    }


def _brought(inventory: Inventory, mask: Mask) -> dict[str, str]:
    """Return a word for each file that the settings name; some are keys."""
    folder = inventory.path.parent
    return {
        f"file of settings.{path_text(path)}": mask.word(
            path_text(path), file_digest(folder / file.expanduser())
        )
        for path, file in named_files(inventory.settings)
    }


def _bundle(inventory: Inventory) -> dict[str, str]:
    folder = inventory.bundle_path
    if folder is None:
        return {"bundle": "none"}
    return {f"bundle {name}": file_digest(folder / name) for name in (LOCK_FILE, MANIFEST_FILE)}
