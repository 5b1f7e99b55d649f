# SPDX-License-Identifier: Apache-2.0
"""invented.py - a list in the UN's format of parties that do not exist: references from .901 on."""
import os
from xml.sax.saxutils import escape

COMMITTEES = {"QDi": "Al-Qaida", "TAi": "Taliban"}


def person(reference, name=None, script="", alias="", comments="", born="1970-01-01", dataid=None):
    """One entry; what is not given is derived from the reference."""
    kind, number = reference.split(".")
    return f"""<INDIVIDUAL><DATAID>{dataid or 9000000 + int(number)}</DATAID><VERSIONNUM>1</VERSIONNUM>
<FIRST_NAME>{escape(name or "INVENTED " + number)}</FIRST_NAME><UN_LIST_TYPE>{COMMITTEES[kind]}</UN_LIST_TYPE>
<REFERENCE_NUMBER>{reference}</REFERENCE_NUMBER><LISTED_ON>2020-01-01</LISTED_ON>
<NAME_ORIGINAL_SCRIPT>{escape(script)}</NAME_ORIGINAL_SCRIPT><COMMENTS1>{escape(comments)}</COMMENTS1>
<LIST_TYPE><VALUE>UN List</VALUE></LIST_TYPE><LAST_DAY_UPDATED><VALUE/></LAST_DAY_UPDATED>
<INDIVIDUAL_ALIAS><QUALITY>{"Good" if alias else ""}</QUALITY><ALIAS_NAME>{escape(alias)}</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_ADDRESS><COUNTRY/></INDIVIDUAL_ADDRESS>
<INDIVIDUAL_DATE_OF_BIRTH><TYPE_OF_DATE>EXACT</TYPE_OF_DATE><DATE>{born}</DATE></INDIVIDUAL_DATE_OF_BIRTH>
<INDIVIDUAL_PLACE_OF_BIRTH/><INDIVIDUAL_DOCUMENT/></INDIVIDUAL>
"""


def references(n, kind="QDi"):
    return [f"{kind}.{901 + i}" for i in range(n)]


def un_list(folder, day, entries, name=None):
    """A file of that day: its path."""
    path = os.path.join(folder, name or f"invented-{day}.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write('<?xml version="1.0" encoding="UTF-8"?>\n'
                f'<CONSOLIDATED_LIST dateGenerated="{day}T00:00:00Z">\n<INDIVIDUALS>\n'
                + "".join(entries) + "</INDIVIDUALS>\n<ENTITIES/>\n</CONSOLIDATED_LIST>\n")
    return path
