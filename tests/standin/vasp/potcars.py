"""POTCAR files that are only a header: nothing in them is licensed, and VASP could not use them.

``python potcars.py FOLDER`` makes a folder to point PMG_VASP_PSP_DIR at.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Symbol: valence electrons and ENMAX in eV, as VASP's manual lists them.
TABLE = {
    "Li_sv": (3, 499.0),
    "Na_pv": (7, 259.6),
    "K_sv": (9, 259.3),
    "Cu": (11, 295.4),
    "Ag": (11, 249.8),
    "Al": (3, 240.3),
    "Au": (11, 229.9),
    "Ni": (10, 269.5),
    "P": (5, 255.0),
    "S": (6, 258.7),
    "Cl": (7, 262.5),
    "Br": (7, 216.3),
    "I": (7, 175.6),
    "O": (6, 400.0),
    "Fe": (8, 267.9),
}

_TEXT = """\
  PAW_PBE {symbol} 01Jan2000
   {valence:.14f}
 parameters from PSCTR are:
   VRHFIN ={element}: none
   LEXCH  = PE
   EATOM  =     1.0000 eV,    1.0000 Ry

   TITEL  = PAW_PBE {symbol} 01Jan2000
   LULTRA =        F    use ultrasoft PP ?
   IUNSCR =        1    unscreen: 0-lin 1-nonlin 2-no
   RPACOR =    1.500    partial core radius
   POMASS =   10.000; ZVAL   = {valence:8.3f}    mass and valenz
   RCORE  =    2.050    outmost cutoff radius
   RWIGS  =    2.600; RWIGS  =    1.376    wigner-seitz radius (au A)
   ENMAX  = {enmax:8.3f}; ENMIN  = {enmin:8.3f} eV
   ICORE  =        2    local potential
   LCOR   =        T    correct aug charges
   LPAW   =        T    paw PP
   EAUG   =  500.000
   DEXC   =     .000
   RMAX   =    3.000    core radius for proj-oper
   RAUG   =    1.300    factor for augmentation sphere
   RDEP   =    2.000    radius for radial grids
   QCUT   =   -5.500; QGAM   =   11.000    optimization parameters
 END of PSCTR-controll parameters
 header only, made for tests: no potential
   local part
   1.0 0.5 -0.5
 End of Dataset
"""


def make_potcars(folder: Path) -> Path:
    """Write them into a folder as pymatgen looks for them."""
    for symbol, (valence, enmax) in TABLE.items():
        place = folder / "POT_GGA_PAW_PBE_54" / symbol
        place.mkdir(parents=True, exist_ok=True)
        text = _TEXT.format(
            symbol=symbol,
            element=symbol.split("_")[0],
            valence=float(valence),
            enmax=enmax,
            enmin=0.75 * enmax,
        )
        (place / "POTCAR").write_text(text)
    return folder


if __name__ == "__main__":
    make_potcars(Path(sys.argv[1]))
